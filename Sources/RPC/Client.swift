import CProtocol
package import Kernel
package import SecureChannel
import Synchronization

/// The calls of one connection: many in flight, their replies in any order, matched by transaction number.
///
/// One thread reads; callers send, and a second thread goes on where the socket takes no more.
package final class Client: Sendable {
    /// The results of a call that the server answered with SUCCESS.
    package struct Reply: Sendable {
        /// The encoded results; without the payload where that went to a file.
        package let results: [UInt8]
        /// Bytes that went to the file.
        package let payload: Int
    }

    /// Where the payload of a reply goes.
    package struct Sink: Sendable {
        package let target: PayloadTarget
        /// Bytes it may have at most.
        package let limit: Int
        /// Where it stands in the results.
        package let position: @Sendable (UnsafeRawBufferPointer) -> PayloadPosition

        package init(
            target: PayloadTarget, limit: Int, position: @escaping @Sendable (UnsafeRawBufferPointer) -> PayloadPosition
        ) {
            self.target = target
            self.limit = limit
            self.position = position
        }
    }

    private struct Pending {
        let program: UInt32
        let procedure: UInt32
        let sink: Sink?
        let complete: @Sendable (Result<Reply, RPCError>) -> Void
    }

    private struct State {
        var pending: [UInt32: Pending] = [:]
        var next = UInt32.random(in: 0 ... .max)
        var failure: RPCError?
        var hasAnswered = false
        /// When the last byte came, or the first of the waiting calls was sent.
        var heard = Deadline.clock

        /// The xid that is wanted, or else one that no waiting call has.
        mutating func free(_ wanted: UInt32?) -> UInt32 {
            if let wanted, pending[wanted] == nil { return wanted }
            while pending[next] != nil { next &+= 1 }
            defer { next &+= 1 }
            return next
        }

        /// Takes the call that a reply is for; nil where it was given up.
        mutating func answered(_ transaction: UInt32) -> Pending? {
            hasAnswered = true
            return pending.removeValue(forKey: transaction)
        }

        /// The last reply before the connection is left has come.
        var isDone: Bool {
            guard case .left = failure else { return false }
            return pending.isEmpty
        }
    }

    package let channel: Channel
    private let patience: Double
    private let credential: (flavor: UInt32, bytes: [UInt8])
    private let state = Mutex(State())
    /// True where the writer thread has to go on as the sender's flusher.
    private let handover = Condition<Handover>(.idle)

    private enum Handover { case idle, flush, stop }

    /// - Parameters:
    ///   - patience: seconds without a byte, while calls wait, after which the connection is given up.
    ///   - credential: sent with every call.
    package init(_ channel: Channel, patience: Double, credential: Credential) throws(SystemError) {
        self.channel = channel
        self.patience = patience
        self.credential = CallHeader.body(of: credential)
        let reader = try Thread("rpc-read") { [self] in read() }
        reader.detach()
        do throws(SystemError) {
            try Thread.detached("rpc-write") { [self] in write() }
        } catch {
            fail(.channel(.closed))
            throw error
        }
    }

    /// Makes a call.
    ///
    /// - Parameters:
    ///   - transaction: the xid; nil: one that no call of this connection has. A call that is made again on another
    ///     connection keeps its xid, by which the server knows that it may have done it already.
    ///   - arguments: encoded, up to the length word of the payload where there is one.
    ///   - payload: sent behind the arguments and padded.
    ///   - sink: where the reply's payload goes.
    /// - Throws: ``RPCError``.
    package func call(
        transaction: UInt32? = nil, program: UInt32, version: UInt32, procedure: UInt32, arguments: [UInt8],
        payload: OutboundMessage.FileRange? = nil, sink: Sink? = nil
    ) async throws -> Reply {
        try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Reply, any Error>) in
            start(
                transaction: transaction, program: program, version: version, procedure: procedure,
                arguments: arguments, payload: payload,
                sink: sink
            ) { continuation.resume(with: $0.mapError { $0 as any Error }) }
        }
    }

    /// Makes a call and has `complete` called with its outcome, on the reading thread, which must not be kept.
    package func start(
        transaction wanted: UInt32? = nil, program: UInt32, version: UInt32, procedure: UInt32, arguments: [UInt8],
        payload: OutboundMessage.FileRange? = nil, sink: Sink? = nil,
        complete: @escaping @Sendable (Result<Reply, RPCError>) -> Void
    ) {
        let pending = Pending(program: program, procedure: procedure, sink: sink, complete: complete)
        let following = payload.map { $0.count + (4 - $0.count % 4) % 4 } ?? 0
        let begun = state.withLock { state -> Result<UInt32, RPCError> in
            if let failure = state.failure { return .failure(failure) }
            let transaction = state.free(wanted)
            if state.pending.isEmpty { state.heard = Deadline.clock }
            state.pending[transaction] = pending
            return .success(transaction)
        }
        let transaction: UInt32
        switch begun {
        case .failure(let error): return complete(.failure(error))
        case .success(let number): transaction = number
        }
        let head = CallHeader.encode(
            transaction: transaction, program: program, version: version, procedure: procedure, credential: credential,
            arguments: arguments, following: following)
        do throws(ChannelError) {
            guard try channel.sender.enqueue(OutboundMessage(head: head, file: payload)) else { return }
            // Sealing a payload is work: the writer does it, so that the caller can prepare the next.
            if payload != nil {
                handover.withLock(wake: true) { if $0 == .idle { $0 = .flush } }
            } else if try channel.sender.flush(budget: 64 << 10) != .idle {
                handover.withLock(wake: true) { if $0 == .idle { $0 = .flush } }
            }
        } catch {
            fail(.channel(error))
        }
    }

    private func write() {
        while true {
            let stop = handover.wait { state -> Bool? in
                switch state {
                case .idle: return nil
                case .stop: return true
                case .flush:
                    state = .idle
                    return false
                }
            }
            if stop ?? true { return }
            do throws(ChannelError) {
                try Channel.finish(channel.sender, on: channel.socket, until: .never)
            } catch {
                fail(.channel(error))
            }
        }
    }

    private func read() {
        let reader = MessageReader(channel.receiver)
        let handler = Handler(self)
        do throws(RPCError) {
            while true {
                switch try reader.run(handler) {
                case .end: throw .closedByPeer
                case .paused, .turn: break
                case .blocked: try waitForBytes()
                }
            }
        } catch {
            fail(error)
        }
    }

    private func waitForBytes() throws(RPCError) {
        // Bytes came until now, however long ago the last wait was: a slow disk keeps this thread with those it has.
        state.withLock { $0.heard = Deadline.clock }
        while true {
            let deadline = Deadline.after(seconds: min(patience, 1))
            do throws(SystemError) {
                if try Poll.wait(channel.socket.raw, for: Poll.readable, until: deadline) != 0 {
                    state.withLock { $0.heard = Deadline.clock }
                    return
                }
            } catch {
                throw .channel(.system(error))
            }
            let late = state.withLock { state -> Bool in
                !state.pending.isEmpty && Double(Deadline.clock - state.heard) / 1e9 >= patience
            }
            if late { throw .timedOut(seconds: patience) }
        }
    }

    /// Ends the connection; calls that wait fail with `error`.
    package func fail(_ error: RPCError) {
        let waiting = state.withLock { state -> [Pending] in
            if state.failure == nil { state.failure = error }
            defer { state.pending.removeAll() }
            return Array(state.pending.values)
        }
        if case .channel(let reason) = error { channel.abort(reason) }
        channel.sender.fail()
        Socket.shutdown(channel.socket.raw)
        handover.withLock(wake: true) { $0 = .stop }
        for call in waiting { call.complete(.failure(error)) }
    }

    /// Ends the connection in good order: close_notify, then FIN.
    package func close() {
        state.withLock { if $0.failure == nil { $0.failure = .channel(.closed) } }
        channel.close(until: .after(seconds: 2))
        handover.withLock(wake: true) { $0 = .stop }
    }

    /// Takes no further calls, which fail with ``RPCError/left``, and ends the connection when the last reply has come.
    package func leave() {
        let isDone = state.withLock { state in
            if state.failure == nil { state.failure = .left }
            return state.isDone
        }
        if isDone { close() }
    }

    /// Whether there was TLS, and a reply.
    package var wasServed: Bool { channel.layer != .cleartext && state.withLock { $0.hasAnswered } }

    /// Whether it takes no further calls and none are in flight.
    package var isOver: Bool { state.withLock { $0.failure != nil && $0.pending.isEmpty } }

    /// Why no further call can be made; nil while they can.
    package var failure: RPCError? { state.withLock { $0.failure } }

    private final class Handler: MessageHandler {
        private let client: Client
        private var arriving: (transaction: UInt32, results: [UInt8], count: Int)?

        /// Bytes of a payload nobody asked for that are read and dropped, so that the other calls go on: as many as a READ
        /// may have. A larger one ends the connection.
        private static let dropLimit = 16 << 20

        init(_ client: Client) { self.client = client }

        var wantsPause: Bool { false }

        func plan(_ head: UnsafeRawBufferPointer) throws(RPCError) -> MessagePlan {
            guard let transaction = head.word(at: 0) else { return .needs(4) }
            let sink = client.state.withLock { $0.pending[transaction]?.sink }
            guard let sink else { return .whole(limit: 4 << 20) }
            switch ReplyHeader.decode(head) {
            case .needsMore: return .needs(head.count + 4)
            case .malformed: throw .malformed("the server's bytes are no RPC reply")
            case .header(let reply, let length):
                guard ReplyHeader.refusal(reply, program: 0, procedure: 0) == nil else { return .whole(limit: 65536) }
                switch sink.position(head.from(length)) {
                case .none: return .whole(limit: 65536)
                case .needs(let count): return .needs(length + count)
                case .at(let offset, let count):
                    guard count <= max(sink.limit, Self.dropLimit) else {
                        throw .oversized(count, limit: sink.limit)
                    }
                    return .payload(offset: length + offset, count: count)
                }
            }
        }

        func message(_ bytes: UnsafeRawBufferPointer) throws(RPCError) {
            guard case .header(let reply, let length) = ReplyHeader.decode(bytes) else {
                throw .malformed("the server's bytes are no RPC reply")
            }
            // A reply nobody waits for answers a call that was given up.
            guard let (call, isDone) = take(reply.xid) else { return }
            defer { if isDone { client.close() } }
            if let refusal = ReplyHeader.refusal(reply, program: call.program, procedure: call.procedure) {
                call.complete(.failure(.refused(refusal)))
            } else {
                call.complete(.success(Reply(results: Array(bytes.from(length)), payload: 0)))
            }
        }

        private func take(_ transaction: UInt32) -> (call: Pending, isDone: Bool)? {
            client.state.withLock { state in state.answered(transaction).map { ($0, state.isDone) } }
        }

        func beginPayload(_ head: UnsafeRawBufferPointer, count: Int) throws(RPCError) -> PayloadTarget? {
            guard case .header(let reply, let length) = ReplyHeader.decode(head) else {
                throw .malformed("the server's bytes are no RPC reply")
            }
            arriving = (reply.xid, Array(head.from(length)), count)
            guard let sink = client.state.withLock({ $0.pending[reply.xid]?.sink }) else { return nil }
            return count > sink.limit ? nil : sink.target
        }

        func endPayload(_ error: SystemError?) throws(RPCError) {
            guard let (transaction, results, count) = arriving else { return }
            arriving = nil
            guard let (call, isDone) = take(transaction) else { return }
            defer { if isDone { client.close() } }
            if let limit = call.sink?.limit, count > limit {
                call.complete(.failure(.oversized(count, limit: limit)))
            } else if let error {
                call.complete(.failure(.file(error)))
            } else {
                call.complete(.success(Reply(results: results, payload: count)))
            }
        }
    }
}
