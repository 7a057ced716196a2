import CProtocol
import Kernel
import Logging
import SecureChannel
import Synchronization

/// One connection of a ``Server``.
///
/// ``readable()`` runs on one thread at a time, for the input epoll is armed for one event; ``writable()`` likewise. They
/// share the channel's ``Sender`` and what is in `shared`.
final class ServerConnection: @unchecked Sendable, MessageHandler {
    // Unchecked: the fields below `shared` belong to the thread that has the input event.

    private enum Phase { case cleartext, handshaking, secured, closed }

    private struct Shared {
        var phase = Phase.cleartext
        /// The reader stopped because too many replies wait; the output side wakes it.
        var paused = false
        /// The output side is the sender's flusher. Its epoll entry reports a reset though it waits for nothing, and then
        /// another thread may be.
        var outputFlushes = false
        /// A program takes calls without TLS on it: it need not become secured.
        var staysCleartext = false
        /// Nothing more is read; when everything queued is sent the connection is closed.
        var ending: Ending?
        /// Everything is sent, and what the client still sends is dropped until it ends too.
        var isLingering = false
    }

    private struct Ending {
        /// For the log; nil where it is the ordinary end.
        let reason: String?
        /// Nanoseconds of the monotonic clock.
        let since: UInt64
        /// The client may have sent calls that are not read: closing with these unread would be a reset, which takes
        /// replies on their way with it.
        let lingers: Bool
    }

    private let socket: SharedDescriptor
    private let token: UInt64
    private let peerAddress: String
    /// Whom it counts for: ``Server/origin(of:)``.
    private let origin: String
    private let server: Server
    private let born = Deadline.clock
    private let shared = Mutex(Shared())

    private let channel: Mutex<Channel>
    private var reader: MessageReader
    private var peer: Peer
    /// Set by the probe: the connection's next bytes are the peer's ClientHello.
    private var startTLS: UInt32?
    /// The call whose payload is arriving, and what to do when it is there.
    private var arriving: (transaction: UInt32, start: PayloadStart)?
    /// Replies are queued that this thread must flush.
    private var mustFlush = false
    /// Messages handled since the input event.
    private var handled = 0

    init(_ socket: SharedDescriptor, token: UInt64, peerAddress: String, origin: String, server: Server) {
        self.socket = socket
        self.token = token
        self.peerAddress = peerAddress
        self.origin = origin
        self.server = server
        let channel = Channel.cleartext(socket)
        self.channel = Mutex(channel)
        reader = MessageReader(channel.receiver)
        peer = Peer(address: peerAddress, protection: .none)
    }

    /// Replies beyond this many bytes are left to the output threads, so that reading goes on meanwhile.
    private static let inlineBudget = 128 << 10

    /// Messages after which a connection goes behind the others that are readable: one whose peer sends without a pause
    /// would keep its thread for ever, and as many of them as there are threads would keep everybody else out.
    private static let turn = 64

    private var current: Channel { channel.withLock { $0 } }

    func start() {
        do {
            try server.output.add(socket.raw, token: token, events: Epoll.oneShot)
            try server.input.add(socket.raw, token: token, events: Epoll.readable | Epoll.oneShot)
        } catch {
            close("\(error)")
        }
    }

    func isUnsecured(after seconds: Double) -> Bool {
        shared.withLock { $0.phase == .cleartext && !$0.staysCleartext }
            && Double(Deadline.clock - born) / 1e9 > seconds
    }

    /// Whether it is over, and what waits to be sent has not gone for so many seconds.
    func isEnding(after seconds: Double) -> Bool {
        guard let since = shared.withLock({ $0.ending?.since }) else { return false }
        return Double(Deadline.clock - since) / 1e9 > seconds
    }

    /// Whether all that it had to say is sent, and the client has not ended its side.
    var isLingering: Bool { shared.withLock { $0.isLingering } }

    // MARK: Input

    func readable() {
        do {
            let channel = current
            if isLingering { return linger(channel) }
            handled = 0
            while true {
                let stop = try reader.run(self)
                // Also before a handshake: the answers to what came ahead of the probe are this thread's to send.
                try flush(channel)
                if let transaction = startTLS {
                    startTLS = nil
                    return secure(answering: transaction)
                }
                switch stop {
                case .blocked:
                    return rearmInput(Epoll.readable)
                case .paused where channel.isWorn:
                    server.log.info(
                        "a connection's key has protected as much as it should, and its client is to make another one",
                        metadata: ["peer": "\(peerAddress)"])
                    return end(.closeNotify, nil, lingering: true)
                case .paused:
                    // The output side may have sent everything since the reader stopped.
                    let stays = shared.withLock { shared in
                        guard tooManyWait(channel) else { return false }
                        shared.paused = true
                        return true
                    }
                    if stays { return }
                    // As in writable(): the next bytes may wait in the record layer already.
                    if handled >= Self.turn { return rearmInput(Epoll.readable | Epoll.writable) }
                case .turn:
                    return rearmInput(Epoll.readable | Epoll.writable)
                case .end:
                    return end(.closeNotify, nil)
                }
            }
        } catch let error as RPCError {
            fail(error)
        } catch let error as ChannelError {
            fail(.channel(error))
        } catch {
            fail(.malformed("\(error)"))
        }
    }

    private func fail(_ error: RPCError) {
        guard case .channel(let reason) = error else { return end(.closeNotify, "\(error)") }
        if let alert = reason.alert { return end(alert, "\(error)") }
        switch reason {
        case .closed: close(nil)
        // A peer that just goes is nothing to report where it has not begun anything.
        case .truncated where reader.isBetweenMessages: close("the peer left without close_notify")
        default: close("\(error)")
        }
    }

    /// Reads no more, and closes when what is queued is sent: a client that has said all it has to say may still listen for
    /// its replies (RFC 8446 section 6.1; FIN in cleartext), and one that broke the protocol is told.
    ///
    /// - Parameters:
    ///   - alert: sent last.
    ///   - reason: for the log; nil where it is the ordinary end.
    ///   - lingering: see ``Ending/lingers``.
    private func end(_ alert: Alert, _ reason: String?, lingering: Bool = false) {
        let ending = Ending(reason: reason, since: Deadline.clock, lingers: lingering)
        let channel = current
        do throws(ChannelError) {
            let isFlusher = try channel.sender.enqueue(alert) || mustFlush
            mustFlush = false
            shared.withLock { $0.ending = ending }
            if isFlusher {
                if try channel.sender.flush(budget: Self.inlineBudget) != .idle { return armOutput() }
            } else if channel.sender.isFlushing {
                return
            }
            // Also where the output side has just sent the last of it, and looked before it could know.
            finish(ending)
        } catch {
            // A client that has closed both ways does not hear our goodbye, and that is nobody's error.
            close(reason)
        }
    }

    /// Everything is sent.
    private func finish(_ ending: Ending) {
        guard ending.lingers else { return close(ending.reason) }
        let isFirst = shared.withLock { shared in
            defer { shared.isLingering = true }
            return !shared.isLingering
        }
        guard isFirst else { return }
        current.finishSending()
        rearmInput(Epoll.readable)
    }

    private func linger(_ channel: Channel) {
        if channel.forgetInput() { rearmInput(Epoll.readable) } else { close(nil) }
    }

    private func rearmInput(_ events: UInt32) {
        do {
            try server.input.rearm(socket.raw, token: token, events: events | Epoll.oneShot)
        } catch {
            close("\(error)")
        }
    }

    private func tooManyWait(_ channel: Channel) -> Bool {
        let backlog = channel.sender.backlog
        return backlog.messages >= server.policy.maximumReplies || backlog.bytes >= server.policy.maximumBacklog
    }

    var wantsPause: Bool {
        let channel = current
        return startTLS != nil || handled >= Self.turn || channel.isWorn || tooManyWait(channel)
    }

    // MARK: Output

    private func reply(_ message: OutboundMessage) throws(RPCError) {
        do throws(ChannelError) {
            let channel = current
            if try channel.sender.enqueue(message) { mustFlush = true }
            // What is small goes out together when the input is used up.
            if mustFlush && channel.sender.backlog.bytes >= Self.inlineBudget { try flush(channel) }
        } catch {
            throw .channel(error)
        }
    }

    private func flush(_ channel: Channel) throws(ChannelError) {
        guard mustFlush else { return }
        mustFlush = false
        if try channel.sender.flush(budget: Self.inlineBudget) != .idle { armOutput() }
    }

    private func armOutput() {
        shared.withLock { $0.outputFlushes = true }
        do {
            try server.output.rearm(socket.raw, token: token, events: Epoll.writable | Epoll.oneShot)
        } catch {
            close("\(error)")
        }
    }

    func writable() {
        let isFlusher = shared.withLock { shared in
            defer { shared.outputFlushes = false }
            return shared.outputFlushes
        }
        guard isFlusher else { return }
        let channel = current
        do throws(ChannelError) {
            let flushed = try channel.sender.flush(budget: 8 << 20)
            let wake = shared.withLock { shared in
                guard shared.paused && !tooManyWait(channel) else { return false }
                shared.paused = false
                return true
            }
            if flushed != .idle {
                armOutput()
            } else if let ending = shared.withLock({ $0.ending }), !channel.sender.isFlushing {
                return finish(ending)
            }
            // Bytes may wait in the record layer and not in the socket: only a writable event is sure to come.
            if wake { rearmInput(Epoll.readable | Epoll.writable) }
        } catch {
            // What a client does not stay to hear after it has ended its own side is nobody's error.
            let ending = shared.withLock { $0.ending }
            close(ending.map { $0.reason } ?? "\(error)")
        }
    }

    // MARK: Calls

    func plan(_ head: UnsafeRawBufferPointer) throws(RPCError) -> MessagePlan {
        switch CallHeader.decode(head) {
        case .needsMore:
            return .needs(head.count + 4)
        case .malformed:
            throw .malformed("bytes that are no RPC call")
        case .rpcMismatch:
            return .whole(limit: CallHeader.limit)
        case .header(let call, let length):
            guard let program = server.programs[call.prog, call.vers],
                peer.protection != .none || isAllowedInCleartext(call)
            else { return .whole(limit: 65536) }
            switch program.payload(procedure: call.proc, arguments: head.from(length)) {
            case .none: return .whole(limit: length + program.argumentLimit(procedure: call.proc))
            case .needs(let count): return .needs(length + count)
            case .at(let offset, let count): return .payload(offset: length + offset, count: count)
            }
        }
    }

    /// What RFC 9289 lets a client do before it is protected, and what the program adds.
    private func isAllowedInCleartext(_ call: tlsd_call) -> Bool {
        if call.proc == 0 { return true }
        switch server.programs[call.prog, call.vers]?.cleartextAccess(procedure: call.proc) {
        case .some(.none), nil: return false
        case .brief: return true
        case .lasting:
            shared.withLock { $0.staysCleartext = true }
            return true
        }
    }

    func message(_ bytes: UnsafeRawBufferPointer) throws(RPCError) {
        handled += 1
        switch CallHeader.decode(bytes) {
        case .malformed, .needsMore:
            throw .malformed("bytes that are no RPC call")
        case .rpcMismatch(let transaction):
            try reply(OutboundMessage(head: ReplyHeader.rpcMismatch(transaction)))
        case .header(let header, let length):
            let call: Call
            switch admit(header) {
            case .refused(let message): return try reply(OutboundMessage(head: message))
            case .startTLS: return startTLS = header.xid
            case .admitted(let admitted): call = admitted
            }
            guard let program = server.programs[header.prog, header.vers] else { return }
            try answer(program.call(call, arguments: bytes.from(length)), to: header.xid)
        }
    }

    private enum Admission {
        case admitted(Call)
        case refused([UInt8])
        case startTLS
    }

    /// Whether a call reaches its program: RFC 5531 section 9 and RFC 9289 section 4.1, in their order.
    private func admit(_ header: tlsd_call) -> Admission {
        let transaction = header.xid
        let credential: Credential
        switch CallAuthentication(header, isSecured: peer.protection != .none) {
        case .denied(let status): return .refused(ReplyHeader.denied(transaction, status))
        case .accepted(let accepted): credential = accepted
        }
        guard let versions = server.programs.range(of: header.prog) else {
            return .refused(ReplyHeader.accepted(transaction, .programUnavailable))
        }
        guard server.programs[header.prog, header.vers] != nil else {
            return .refused(
                ReplyHeader.accepted(transaction, .programMismatch, versions: (versions.low, versions.high)))
        }
        if credential == .tls { return .startTLS }
        guard peer.protection != .none || isAllowedInCleartext(header) else {
            server.log.warning(
                "a call in cleartext is refused",
                metadata: ["peer": "\(peerAddress)", "program": "\(header.prog)", "procedure": "\(header.proc)"])
            return .refused(ReplyHeader.denied(transaction, .tooWeak))
        }
        return .admitted(
            Call(
                transaction: transaction, program: header.prog, version: header.vers, procedure: header.proc,
                credential: credential, peer: peer))
    }

    private func answer(_ answer: Answer, to transaction: UInt32) throws(RPCError) {
        switch answer {
        case .results(let bytes):
            try reply(OutboundMessage(head: ReplyHeader.accepted(transaction, .success, results: bytes)))
        case .file(let bytes, let file, let offset, let count):
            try reply(
                OutboundMessage(
                    head: ReplyHeader.accepted(
                        transaction, .success, results: bytes, following: count + (4 - count % 4) % 4),
                    file: OutboundMessage.FileRange(file: file, offset: offset, count: count)))
        case .procedureUnavailable:
            try reply(OutboundMessage(head: ReplyHeader.accepted(transaction, .procedureUnavailable)))
        case .garbageArguments:
            try reply(OutboundMessage(head: ReplyHeader.accepted(transaction, .garbageArguments)))
        case .systemError:
            try reply(OutboundMessage(head: ReplyHeader.accepted(transaction, .systemError)))
        case .denied(let status):
            try reply(OutboundMessage(head: ReplyHeader.denied(transaction, status)))
        }
    }

    func beginPayload(_ head: UnsafeRawBufferPointer, count: Int) throws(RPCError) -> PayloadTarget? {
        guard case .header(let header, let length) = CallHeader.decode(head) else {
            throw .malformed("bytes that are no RPC call")
        }
        switch admit(header) {
        case .refused(let message):
            try reply(OutboundMessage(head: message))
            return nil
        case .startTLS:
            throw .malformed("a probe for TLS with a payload")
        case .admitted(let call):
            guard let program = server.programs[header.prog, header.vers] else { return nil }
            let start = program.begin(call, arguments: head.from(length), payload: count)
            arriving = (header.xid, start)
            if case .write(let target, _) = start { return target }
            return nil
        }
    }

    func endPayload(_ error: SystemError?) throws(RPCError) {
        handled += 1
        guard let (transaction, start) = arriving else { return }
        arriving = nil
        switch start {
        case .write(_, let finish): try answer(finish(error), to: transaction)
        case .answered(let known): try answer(known, to: transaction)
        }
    }

    // MARK: TLS

    /// Answers the probe and has the handshake done on a thread of its own; this connection belongs to that until it is over.
    private func secure(answering transaction: UInt32) {
        let run: @Sendable () -> Void = { [self] in
            // While it waited for its turn it counted as a connection in cleartext, and may be closed as such.
            let alive = shared.withLock { shared in
                guard shared.phase == .cleartext else { return false }
                shared.phase = .handshaking
                return true
            }
            guard alive else { return }
            do {
                let starttls = ReplyHeader.accepted(transaction, .success, verifier: Array("STARTTLS".utf8))
                let cleartext = current
                // Where the output side still has answers to send, it would write them into the handshake, and then take
                // itself for the flusher of the channel that comes out of it.
                guard try cleartext.sender.enqueue(OutboundMessage(head: starttls)) else {
                    return close("it asked for TLS and had not read the answers to its earlier calls")
                }
                try Channel.finish(cleartext.sender, on: socket, until: .after(seconds: 10))
                let (secured, protection) = try server.securer.secure(socket, peerAddress: peerAddress)
                let alive = shared.withLock { shared in
                    guard shared.phase == .handshaking else { return false }
                    shared.phase = .secured
                    return true
                }
                guard alive else { return }
                server.isSecured(token)
                channel.withLock { $0 = secured }
                peer = Peer(
                    address: peerAddress, protection: protection,
                    takesKeyUpdates: { [secured] in secured.takesKeyUpdates })
                // What the cleartext reader may have taken beyond the probe is dropped with it: RFC 9289 section 5.1.1.
                reader = MessageReader(secured.receiver)
                rearmInput(Epoll.readable)
            } catch {
                close("\(error)")
            }
        }
        server.handshake(
            from: origin,
            HandshakeQueue.Work(run: run, refuse: { [self] in close("too many handshakes at once") }))
    }

    // MARK: End

    /// Ends the connection.
    ///
    /// - Parameter reason: for the log; nil where it is the ordinary end.
    func close(_ reason: String?) {
        let first = shared.withLock { shared in
            defer { shared.phase = .closed }
            return shared.phase != .closed
        }
        guard first else { return }
        var metadata: Logger.Metadata = ["peer": "\(peerAddress)"]
        let changes = current.keyChanges
        if changes != (0, 0) {
            metadata["keys"] = "changed \(changes.sending) times, the client's \(changes.receiving)"
        }
        if let reason = current.endedByDaemon() ?? reason {
            metadata["reason"] = "\(reason)"
            server.log.notice("connection closed", metadata: metadata)
        } else {
            server.log.debug("connection ended", metadata: metadata)
        }
        current.sender.fail()
        try? server.input.remove(socket.raw)
        try? server.output.remove(socket.raw)
        Socket.shutdown(socket.raw)
        server.remove(token)
    }
}
