import Glibc
import Kernel
import NFS
import RPC
import Synchronization
import TestSupport

/// MOUNT or the port mapper as Linux's daemons answer them: programs that do not know AUTH_TLS.
///
/// By hand over a socket, since our own RPC server always knows it.
final class PlainService: Sendable {
    let port: UInt16
    private let listener: SharedDescriptor
    private let sources: Callers

    /// The ports that calls came from, but for those that were refused.
    var callers: [UInt16] { sources.ports.withLock { $0 } }

    private final class Callers: Sendable {
        let ports = Mutex<[UInt16]>([])
    }

    /// - Parameter answer: gets the procedure and its arguments; nil is PROC_UNAVAIL.
    init(
        host: String = "127.0.0.1", port: UInt16 = 0,
        _ answer: @escaping @Sendable (UInt32, UnsafeRawBufferPointer) -> [UInt8]?
    ) throws {
        TestProcess.prepare()
        let (listener, port) = try ForeignServer.listen(host, port)
        let sources = Callers()
        (self.listener, self.port, self.sources) = (listener, port, sources)
        try Kernel.Thread.detached("plain") {
            // Until the listener is shut down.
            while (try? Poll.wait(listener.raw, for: Poll.readable, until: .never)) != nil,
                let socket = try? Socket.accept(listener.raw)
            {
                let connection = SharedDescriptor(socket)
                setBlocking(connection)
                try? Kernel.Thread.detached("plain") { Self.serve(connection, sources, answer) }
            }
        }
    }

    deinit { Socket.shutdown(listener.raw) }

    private static func serve(
        _ socket: SharedDescriptor, _ sources: Callers,
        _ answer: @Sendable (UInt32, UnsafeRawBufferPointer) -> [UInt8]?
    ) {
        while let mark = read(socket, 4)?.withUnsafeBytes({ $0.word(at: 0) }),
            let call = read(socket, Int(mark & 0x7fff_ffff))
        {
            let reply = call.withUnsafeBytes { call -> [UInt32]? in
                guard let transaction = call.word(at: 0), let procedure = call.word(at: 20),
                    let flavor = call.word(at: 24), let length = call.word(at: 28)
                else { return nil }
                // MSG_DENIED, AUTH_ERROR, AUTH_REJECTEDCRED
                guard flavor <= 1 else { return [transaction, 1, 1, 1, 2] }
                // Behind the credential, and an empty verifier.
                let start = 32 + (Int(length) + 3) & ~3 + 8
                guard let results = answer(procedure, UnsafeRawBufferPointer(rebasing: call.dropFirst(start))) else {
                    return [transaction, 1, 0, 0, 0, 3]
                }
                if let port = try? Socket.peer(socket.raw).port { sources.ports.withLock { $0.append(port) } }
                return [transaction, 1, 0, 0, 0, 0]
                    + results.withUnsafeBytes { results in
                        stride(from: 0, to: results.count, by: 4).compactMap { results.word(at: $0) }
                    }
            }
            guard let reply else { return }
            let bytes = ([0x8000_0000 | UInt32(4 * reply.count)] + reply).flatMap { word in
                withUnsafeBytes(of: word.bigEndian) { Array($0) }
            }
            guard send(socket.raw, bytes, bytes.count, Int32(MSG_NOSIGNAL)) == bytes.count else { return }
        }
    }

    private static func read(_ socket: SharedDescriptor, _ count: Int) -> [UInt8]? {
        var bytes = [UInt8](repeating: 0, count: count)
        return recv(socket.raw, &bytes, count, Int32(MSG_WAITALL)) == count ? bytes : nil
    }
}

extension PlainService {
    /// Linux's mountd, of the same files as a server.
    static func mountd(host: String = "127.0.0.1", of server: ForeignServer) throws -> PlainService {
        let state = server.state
        return try PlainService(host: host) { ForeignMount.results(state, $0, $1) }
    }

    /// rpcbind, which says that MOUNT is at `port`.
    static func rpcbind(mountPort port: UInt16) throws -> PlainService {
        try PlainService { procedure, arguments in
            guard procedure == 3 else { return nil }
            // GETPORT, RFC 1833 section 3.2: program, version, protocol, nothing
            let isMount = [Mount.program, 3, 6].enumerated().allSatisfy { arguments.word(at: 4 * $0) == $1 }
            let answer = isMount ? port : 0
            return [0, 0, UInt8(answer >> 8), UInt8(answer & 0xff)]
        }
    }
}
