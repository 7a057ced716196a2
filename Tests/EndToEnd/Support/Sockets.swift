import Glibc
import Kernel
import TestSupport

/// A TCP client of the test's own: raw bytes, each wait bounded.
final class RawClient: Sendable {
    let socket: SharedDescriptor

    init(port: UInt16, host: String = "127.0.0.1") throws {
        guard let address = try SocketAddress.resolve(host, port: port).first else { throw Unexpected("no address") }
        socket = SharedDescriptor(try Socket.connect(to: address, until: .after(seconds: 10)))
    }

    /// Sends all of it; what the peer does not take any more is dropped.
    func send(_ bytes: some Collection<UInt8>) {
        var left = Array(bytes)[...]
        while !left.isEmpty {
            let count = left.withUnsafeBytes { Glibc.send(socket.raw, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
            if count < 0 && errno == EAGAIN {
                guard ((try? Poll.wait(socket.raw, for: Poll.writable, until: .after(seconds: 20))) ?? 0) != 0 else {
                    return
                }
                continue
            }
            guard count > 0 else { return }
            left = left.dropFirst(count)
        }
    }

    /// What comes, at most `limit` bytes; less where the peer ends before.
    func receive(_ limit: Int, seconds: Double = 20) throws -> [UInt8] {
        var all: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65536)
        while all.count < limit {
            guard try Poll.wait(socket.raw, for: Poll.readable, until: .after(seconds: seconds)) != 0 else {
                throw Unexpected("nothing came within \(seconds) s")
            }
            let count = recv(socket.raw, &buffer, min(buffer.count, limit - all.count), 0)
            if count < 0 && errno == EAGAIN { continue }
            if count <= 0 { break }
            all += buffer.prefix(count)
        }
        return all
    }

    /// Whether the peer ends the connection, whatever it sends before.
    func ends(seconds: Double = 20) -> Bool { (try? receive(.max, seconds: seconds)) != nil }

    func finishSending() { shutdown(socket.raw, Int32(SHUT_WR)) }
}

/// A TCP server of the test's own, on a port of the system's choice: each connection is handed to a thread.
final class FakeServer: Sendable {
    let port: UInt16
    private let listener: SharedDescriptor
    private let received = Condition<[UInt8]>([])
    private let thread: Thread

    /// - Parameter serve: what is done with a connection; where it returns it is closed.
    init(_ serve: @escaping @Sendable (FakeConnection) -> Void) throws {
        guard let address = try SocketAddress.resolve("127.0.0.1", port: 0).first else {
            throw Unexpected("no address")
        }
        let listener = SharedDescriptor(try Socket.listen(on: address))
        self.listener = listener
        port = try Socket.local(listener.raw).port
        let received = received
        thread = try Thread("fake") {
            while true {
                guard ((try? Poll.wait(listener.raw, for: Poll.readable, until: .never)) ?? 0) != 0,
                    let socket = try? Socket.accept(listener.raw)
                else { return }
                let connection = FakeConnection(SharedDescriptor(socket), received)
                try? Thread.detached("fake connection") { serve(connection) }
            }
        }
    }

    deinit {
        shutdown(listener.raw, Int32(SHUT_RDWR))
        thread.join()
    }

    /// All that clients have sent.
    var bytes: [UInt8] { received.withLock { $0 } }
}

/// One connection of a ``FakeServer``.
final class FakeConnection: Sendable {
    let socket: SharedDescriptor
    private let received: Condition<[UInt8]>

    init(_ socket: SharedDescriptor, _ received: Condition<[UInt8]>) {
        self.socket = socket
        self.received = received
    }

    /// Bytes that came; empty where the client has ended.
    func receive(_ limit: Int = 65536) -> [UInt8] {
        guard ((try? Poll.wait(socket.raw, for: Poll.readable, until: .after(seconds: 60))) ?? 0) != 0 else {
            return []
        }
        var buffer = [UInt8](repeating: 0, count: limit)
        let count = recv(socket.raw, &buffer, limit, 0)
        guard count > 0 else { return [] }
        received.withLock(wake: true) { $0 += buffer.prefix(count) }
        return Array(buffer.prefix(count))
    }

    /// Exactly so many bytes; less where the client ends before.
    func receive(exactly count: Int) -> [UInt8] {
        var all: [UInt8] = []
        while all.count < count {
            let more = receive(count - all.count)
            if more.isEmpty { break }
            all += more
        }
        return all
    }

    /// The last ``RPCBytes/probeCount`` bytes that clients sent.
    var probe: [UInt8] { received.withLock { $0.suffix(RPCBytes.probeCount) } }

    func receiveToTheEnd() { while !receive().isEmpty {} }

    func send(_ bytes: some Collection<UInt8>) {
        let bytes = Array(bytes)
        _ = bytes.withUnsafeBytes { Glibc.send(socket.raw, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
    }
}

/// Bytes of RPC (RFC 5531), written out by hand so that nothing of the project checks itself.
enum RPCBytes {
    static func words(_ words: UInt32...) -> [UInt8] {
        words.flatMap { word in withUnsafeBytes(of: word.bigEndian) { Array($0) } }
    }

    /// One fragment, the last.
    static func record(_ body: [UInt8]) -> [UInt8] { words(0x8000_0000 | UInt32(body.count)) + body }

    /// A call without arguments, its credential's body empty.
    static func call(program: UInt32, procedure: UInt32, flavor: UInt32 = 0, transaction: UInt32 = 7) -> [UInt8] {
        words(transaction, 0, 2, program, 3, procedure, flavor, 0, 0, 0)
    }

    /// RFC 9289 section 4.1.
    static let probe = record(call(program: 100003, procedure: 0, flavor: 7))
    static let startTLS = record(words(7, 1, 0, 0, 8) + Array("STARTTLS".utf8) + words(0))
    /// 4 bytes of record mark and 40 of call.
    static let probeCount = 44
}
