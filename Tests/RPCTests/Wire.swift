import Glibc
import Kernel
import Logging
import SecureChannel
import Synchronization
import TestSupport

@testable import RPC

/// XDR words, big-endian.
func words(_ values: UInt32...) -> [UInt8] {
    values.flatMap { word in (0..<4).map { UInt8(truncatingIfNeeded: word >> (24 - 8 * $0)) } }
}

/// The word at an index of bytes.
func word(_ bytes: [UInt8], _ index: Int) -> UInt32? { bytes.withUnsafeBytes { $0.word(at: 4 * index) } }

/// A message in fragments of these sizes; what is left over is the last.
func marked(_ message: [UInt8], fragments sizes: [Int] = []) -> [UInt8] {
    var result: [UInt8] = []
    var rest = message[...]
    for size in sizes where size < rest.count {
        result += words(UInt32(size)) + rest.prefix(size)
        rest = rest.dropFirst(size)
    }
    return result + words(UInt32(rest.count) | 0x8000_0000) + rest
}

/// A call's bytes, without a record mark, by hand: RFC 5531 section 9.
func call(
    xid: UInt32 = 7, rpc: UInt32 = 2, program: UInt32 = testProgram, version: UInt32 = 1, procedure: UInt32,
    flavor: UInt32 = 0, credential: [UInt8] = [], verifierFlavor: UInt32 = 0, verifier: [UInt8] = [],
    _ arguments: [UInt8] = []
) -> [UInt8] {
    words(xid, 0, rpc, program, version, procedure, flavor, UInt32(credential.count)) + credential
        + words(verifierFlavor, UInt32(verifier.count)) + verifier + arguments
}

/// A reply without results: xid, REPLY, MSG_ACCEPTED, AUTH_NONE, its length, accept_stat.
func accepted(_ status: UInt32, xid: UInt32 = 7) -> [UInt8] { words(xid, 1, 0, 0, 0, status) }

/// MSG_DENIED, AUTH_ERROR, auth_stat.
func denied(_ status: UInt32, xid: UInt32 = 7) -> [UInt8] { words(xid, 1, 1, 1, status) }

/// Reads one message off a raw socket, all of its fragments; nil at the end of the stream.
func receiveMessage(on socket: Int32, seconds: Double = 20) throws -> [UInt8]? {
    var message: [UInt8] = []
    while true {
        let mark = try receiveAll(4, on: socket, seconds: seconds)
        guard mark.count == 4, let word = word(mark, 0) else { return nil }
        let count = Int(word & 0x7fff_ffff)
        let part = try receiveAll(count, on: socket, seconds: seconds)
        guard part.count == count else { return nil }
        message += part
        if word & 0x8000_0000 != 0 { return message }
    }
}

/// Quiet: what is logged is not what is tested.
let silent = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

let testProgram: UInt32 = 0x2000_4242

/// A program of few procedures: 0 NULL, 1 echoes an opaque, 2 has a payload that goes to a file, 3 answers from a file,
/// 4 fails, 5 is denied for the auth_stat that it is given, 6 waits, 7 tells the credential, 8 tells the version.
final class TestProgram: Program {
    let number: UInt32
    let version: UInt32
    let target = TestFile()
    let source: TestFile
    let gate = Condition(true)
    let calls = Condition(0)
    let takesCleartext = Atomic(false)
    /// The procedures in the order they were called.
    let order = Condition<[UInt32]>([])

    init(_ source: [UInt8] = pattern(100_000), number: UInt32 = testProgram, version: UInt32 = 1) {
        (self.number, self.version) = (number, version)
        self.source = TestFile(source)
    }

    func argumentLimit(procedure: UInt32) -> Int { 4096 }

    func cleartextAccess(procedure: UInt32) -> CleartextAccess {
        takesCleartext.load(ordering: .relaxed) ? .brief : .none
    }

    func payload(procedure: UInt32, arguments: UnsafeRawBufferPointer) -> PayloadPosition {
        guard procedure == 2 else { return .none }
        // offset, length, bytes
        guard let count = arguments.word(at: 4) else { return .needs(8) }
        guard count <= 1 << 20 else { return .none }
        return .at(offset: 8, count: Int(count))
    }

    func begin(_ call: Call, arguments: UnsafeRawBufferPointer, payload count: Int) -> PayloadStart {
        guard let offset = arguments.word(at: 0), offset < 1 << 30 else { return .answered(.garbageArguments) }
        return .write(PayloadTarget(file: target.descriptor, offset: UInt64(offset))) { error in
            error == nil ? .results(words(UInt32(count))) : .systemError
        }
    }

    func call(_ call: Call, arguments: UnsafeRawBufferPointer) -> Answer {
        order.withLock { $0.append(call.procedure) }
        calls.withLock(wake: true) { $0 += 1 }
        switch call.procedure {
        case 0: return .results([])
        case 1:
            guard arguments.count % 4 == 0 else { return .garbageArguments }
            return .results(Array(arguments))
        case 2: return .garbageArguments
        case 3:
            guard let count = arguments.word(at: 0), count <= 100_000 else { return .garbageArguments }
            return .file(words(count), source.descriptor, offset: 0, count: Int(count))
        case 4: return .systemError
        case 5:
            guard let status = arguments.word(at: 0).flatMap({ AuthStatus(rawValue: $0) }) else {
                return .garbageArguments
            }
            return .denied(status)
        case 6:
            _ = gate.wait(until: .after(seconds: 20)) { $0 ? true : nil }
            return .results([])
        case 7:
            if case .system(let uid, let gid, let groups) = call.credential {
                return .results(words(uid, gid, UInt32(groups.count)))
            }
            return .results([])
        case 8: return .results(words(number, version))
        default: return .procedureUnavailable
        }
    }
}

/// Gives both ends of a connection the same secrets, where a handshake would have.
struct TestSecurer: ConnectionSecurer {
    var layer = Channel.Layer.user
    var failure: String?
    var limits = KeyLimits.server

    struct Failed: Error, CustomStringConvertible { let description: String }

    func secure(_ socket: SharedDescriptor, peerAddress: String) throws -> (Channel, Peer.Protection) {
        if let failure { throw Failed(description: failure) }
        return (try TestSecrets.channel(layer, socket, TestSecrets.make(.aes128GCM), .server, limits), .tls)
    }
}

/// A server on loopback.
final class TestServer: Sendable {
    let program: TestProgram
    let server: Server
    let address: SocketAddress

    init(
        cleartext: Bool = true, securer: TestSecurer = TestSecurer(), program: TestProgram = TestProgram(),
        others: [TestProgram] = [], workers: Int = 2, _ change: (inout ServerPolicy) -> Void = { _ in }
    ) throws {
        TestProcess.prepare()
        self.program = program
        guard let loopback = try SocketAddress.resolve("127.0.0.1", port: 0).first else { throw Link.NoConnection() }
        let listener = SharedDescriptor(try Socket.listen(on: loopback))
        address = try Socket.local(listener.raw)
        for program in [program] + others { program.takesCleartext.store(cleartext, ordering: .relaxed) }
        var policy = ServerPolicy()
        change(&policy)
        server = try Server(
            listeners: [listener], programs: [program] + others, policy: policy, securer: securer, log: silent)
        try server.start(workers: workers)
    }

    deinit {
        program.gate.withLock(wake: true) { $0 = true }
        server.stop()
    }

    func connect() throws -> SharedDescriptor {
        SharedDescriptor(try Socket.connect(to: address, until: .after(seconds: 5)))
    }

    func client(patience: Double = 20, credential: Credential = .none) throws -> Client {
        try Client(.cleartext(try connect()), patience: patience, credential: credential)
    }

    /// A client behind the probe of RFC 9289, in the layer that is wanted.
    func securedClient(_ layer: Channel.Layer) throws -> Client {
        let socket = try connect()
        try StartTLS.probe(.cleartext(socket), program: testProgram, version: 1, until: .after(seconds: 10))
        let channel = try TestSecrets.channel(layer, socket, TestSecrets.make(.aes128GCM), .client)
        return try Client(channel, patience: 20, credential: .none)
    }

    /// One exchange on a connection of its own, in raw bytes.
    func exchange(_ message: [UInt8]) throws -> [UInt8]? {
        let socket = try connect()
        try sendAll(marked(message), on: socket.raw)
        return try receiveMessage(on: socket.raw)
    }

    /// That a new connection is served.
    func stillServes() throws -> Bool {
        try exchange(call(xid: 99, procedure: 1, words(1, 2))) == words(99, 1, 0, 0, 0, 0, 1, 2)
    }
}

/// Calls from a thread: the outcome of `start`.
extension Client {
    func make(
        _ procedure: UInt32, _ arguments: [UInt8] = [], program: UInt32 = testProgram, version: UInt32 = 1,
        payload: OutboundMessage.FileRange? = nil, sink: Sink? = nil
    ) -> PendingCall {
        let pending = PendingCall()
        start(
            program: program, version: version, procedure: procedure, arguments: arguments, payload: payload, sink: sink
        ) { result in pending.outcome.withLock(wake: true) { $0 = result } }
        return pending
    }
}

final class PendingCall: Sendable {
    let outcome = Condition<Result<Client.Reply, RPCError>?>(nil)

    func reply(within seconds: Double = 20) throws -> Client.Reply {
        guard let result = outcome.wait(until: .after(seconds: seconds), { $0 }) else {
            throw TookTooLong(seconds: seconds)
        }
        return try result.get()
    }

    func failure(within seconds: Double = 20) throws -> RPCError? {
        do {
            _ = try reply(within: seconds)
            return nil
        } catch let error as RPCError {
            return error
        }
    }
}
