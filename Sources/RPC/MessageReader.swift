import Kernel
import SecureChannel

/// What to do with a message of which the first bytes are there.
enum MessagePlan: Equatable {
    /// Cannot be told before so many bytes of the message are there.
    case needs(Int)
    /// Have all of it in memory, up to so many bytes.
    case whole(limit: Int)
    /// After `offset` bytes comes a payload of `count`, then XDR's padding, then the end.
    case payload(offset: Int, count: Int)
}

/// Who gets the messages of one connection. Nothing given to it outlives the call.
protocol MessageHandler: AnyObject {
    /// Asked when the first bytes of a message are there, and again after it said `.needs`.
    func plan(_ head: UnsafeRawBufferPointer) throws(RPCError) -> MessagePlan
    /// A message that is wholly in memory.
    func message(_ bytes: UnsafeRawBufferPointer) throws(RPCError)
    /// A payload is about to arrive.
    ///
    /// - Returns: where it goes; nil: nowhere.
    func beginPayload(_ head: UnsafeRawBufferPointer, count: Int) throws(RPCError) -> PayloadTarget?
    /// The payload and its message are over; `error` says what kept it from its file.
    func endPayload(_ error: SystemError?) throws(RPCError)
    /// Asked between messages: whether to read no more for now.
    var wantsPause: Bool { get }
}

/// Takes a connection's bytes apart into RPC messages, and never more of them off the channel than the message has, so that a
/// payload can go to its file without having been in memory.
///
/// It keeps its place when nothing more is there, so that no thread has to wait for a peer.
final class MessageReader {
    enum Stop {
        /// Nothing more is there now.
        case blocked
        /// The peer ended the stream between two messages.
        case end
        /// The handler wants no more for now.
        case paused
        /// More is there; the caller may look after others first.
        case turn
    }

    private enum Phase {
        case head
        case payload(target: PayloadTarget?, count: Int, done: Int, padding: Int, error: SystemError?)
    }

    private var channel: RecordReader
    private var phase = Phase.head
    private var head: [UInt8] = []
    /// Bytes of the mark of the next fragment that are there.
    private var mark: [UInt8] = []
    private var fragmentLeft = 0
    private var isLast = false
    /// Whether a message has begun.
    private var inMessage = false
    private var emptyFragments = 0
    /// How many bytes of the message are wanted before the next look at it.
    private var wanted = MessageReader.firstLook
    private var limit: Int?
    /// How long the head of the last message with a payload was: the next one's is probably as long.
    private var lastHead: Int?

    /// Messages up to this size are taken off the channel at once.
    private static let small = 1024
    /// Bytes to look at first in larger ones.
    private static let firstLook = 160
    /// Fragments without a byte in one message, which its size does not limit.
    private static let maximumEmptyFragments = 4096
    /// Steps after which others have their turn: a message in fragments of one byte has two for each.
    private static let turn = 2048

    /// Bytes a message may have at most, known before a byte of it is there.
    private let largest: Int

    init(_ channel: RecordReader, largest: Int = .max) {
        self.channel = channel
        self.largest = largest
    }

    /// Whether the stream stands between two messages.
    var isBetweenMessages: Bool { !inMessage && mark.isEmpty }

    /// Handles messages until nothing more is there, or for a turn.
    func run(_ handler: some MessageHandler) throws(RPCError) -> Stop {
        do {
            for _ in 0..<Self.turn {
                if !inMessage && mark.isEmpty && handler.wantsPause { return .paused }
                if let stop = try step(handler) { return stop }
            }
            return .turn
        } catch let error as ChannelError {
            throw .channel(error)
        } catch let error as RPCError {
            throw error
        } catch {
            throw .malformed("\(error)")
        }
    }

    /// - Returns: why there is no next step now; nil where there is.
    private func step(_ handler: some MessageHandler) throws -> Stop? {
        if fragmentLeft == 0 {
            if inMessage && isLast {
                try endOfMessage(handler)
                return nil
            }
            return try readMark()
        }
        switch phase {
        case .head:
            let missing = max(1, wanted - head.count)
            guard let stop = try readHead(min(fragmentLeft, missing)) else {
                if head.count >= wanted || (fragmentLeft == 0 && isLast) { try look(handler) }
                return nil
            }
            return stop
        case .payload(let target, let count, let done, let padding, let error):
            if done < count {
                return try readPayload(target, count: count, done: done, padding: padding, error: error)
            }
            return try discard(padding: padding)
        }
    }

    private func readMark() throws -> Stop? {
        var bytes: UInt32 = 0
        let received = try withUnsafeMutableBytes(of: &bytes) {
            try channel.receive(
                into: UnsafeMutableRawBufferPointer(rebasing: $0.prefix(RecordMark.length - mark.count)))
        }
        switch received {
        case .bytes(let count): withUnsafeBytes(of: bytes) { mark += $0.prefix(count) }
        case .blocked: return .blocked
        case .end:
            guard isBetweenMessages else { throw ChannelError.truncated }
            return .end
        case .fileFailed: return nil
        }
        guard mark.count == RecordMark.length, let word = mark.withUnsafeBytes({ $0.word(at: 0) }) else { return nil }
        mark.removeAll(keepingCapacity: true)
        fragmentLeft = Int(word & ~RecordMark.lastFragment)
        isLast = word & RecordMark.lastFragment != 0
        if !inMessage {
            inMessage = true
            emptyFragments = 0
            wanted = isLast && fragmentLeft <= Self.small ? fragmentLeft : lastHead ?? Self.firstLook
        }
        if fragmentLeft == 0 { emptyFragments += 1 }
        guard emptyFragments <= Self.maximumEmptyFragments else {
            throw RPCError.malformed("a message of too many empty fragments")
        }
        try check(limit ?? largest)
        return nil
    }

    private func readHead(_ count: Int) throws -> Stop? {
        // The bytes go to the stack first where they are few; most heads are.
        let start = head.count
        let received = try withUnsafeTemporaryAllocation(byteCount: min(count, 16384), alignment: 8) {
            space -> Received in
            let received = try channel.receive(into: space)
            if case .bytes(let count) = received { head += space.prefix(count) }
            return received
        }
        switch received {
        case .bytes: fragmentLeft -= head.count - start
        case .blocked: return .blocked
        case .end: throw ChannelError.truncated
        case .fileFailed: break
        }
        return nil
    }

    /// Looks at what is there of the head and decides how to go on.
    private func look(_ handler: some MessageHandler) throws {
        let complete = fragmentLeft == 0 && isLast
        if complete && limit != nil { return }
        switch try head.withUnsafeBytes({ try handler.plan($0) }) {
        case .needs(let count):
            // A message that ends before that is handed over as it is, for its sender to be told.
            wanted = complete ? head.count : max(count, head.count + 1)
        case .whole(let limit):
            self.limit = limit
            try check(limit)
            wanted = .max
        case .payload(let offset, let count):
            let padding = (4 - count % 4) % 4
            let left = offset + count + padding - head.count
            if isLast && left > fragmentLeft {
                // It promises more than the message has: it is read to its end and answered as garbage.
                limit = Self.garbageLimit
                try check(Self.garbageLimit)
                wanted = .max
                return
            }
            guard head.count >= offset else {
                wanted = offset
                return
            }
            lastHead = offset
            try startPayload(handler, offset: offset, count: count, padding: padding)
        }
    }

    private static let garbageLimit = 65536

    private func check(_ limit: Int) throws(RPCError) {
        let total = head.count + fragmentLeft
        guard total <= limit else { throw .oversized(total, limit: limit) }
    }

    private func startPayload(_ handler: some MessageHandler, offset: Int, count: Int, padding: Int) throws {
        let target = try head.withUnsafeBytes {
            try handler.beginPayload(UnsafeRawBufferPointer(rebasing: $0.prefix(offset)), count: count)
        }
        // What came along with the head is the payload's beginning.
        let early = min(head.count - offset, count)
        guard head.count - offset - early <= padding else { throw RPCError.malformed("bytes behind a payload") }
        var error: SystemError?
        if early > 0, let target {
            do {
                try head.withUnsafeBytes { bytes in
                    try target.asWriter {
                        try Files.write(
                            target.file.raw, UnsafeRawBufferPointer(rebasing: bytes[offset..<offset + early]),
                            at: target.offset)
                    }
                }
            } catch let failure as SystemError {
                error = failure
            }
        }
        let paddingLeft = padding - min(padding, head.count - offset - early)
        phase = .payload(target: target, count: count, done: early, padding: paddingLeft, error: error)
    }

    private func readPayload(
        _ target: PayloadTarget?, count: Int, done: Int, padding: Int, error: SystemError?
    ) throws -> Stop? {
        let wanted = min(count - done, fragmentLeft)
        let received: Received
        if let target, error == nil {
            let (position, overflow) = target.offset.addingReportingOverflow(UInt64(done))
            if overflow { throw RPCError.malformed("a payload beyond the largest offset") }
            received = try target.asWriter { try channel.receive(wanted, to: target.file.raw, at: position) }
        } else {
            received = try withUnsafeTemporaryAllocation(byteCount: min(wanted, 16384), alignment: 8) {
                try channel.receive(into: $0)
            }
        }
        var failure = error
        let moved: Int
        switch received {
        case .bytes(let n): moved = n
        case .fileFailed(let n, let reason): (moved, failure) = (n, reason)
        case .blocked: return .blocked
        case .end: throw ChannelError.truncated
        }
        fragmentLeft -= moved
        phase = .payload(target: target, count: count, done: done + moved, padding: padding, error: failure)
        return nil
    }

    /// Takes the padding off the channel; anything behind it breaks the format.
    private func discard(padding: Int) throws -> Stop? {
        guard fragmentLeft <= padding else { throw RPCError.malformed("bytes behind a payload") }
        var space: UInt32 = 0
        let received = try withUnsafeMutableBytes(of: &space) {
            try channel.receive(into: UnsafeMutableRawBufferPointer(rebasing: $0.prefix(fragmentLeft)))
        }
        switch received {
        case .bytes(let count): fragmentLeft -= count
        case .blocked: return .blocked
        case .end: throw ChannelError.truncated
        case .fileFailed: break
        }
        if case .payload(let target, let count, let done, let left, let error) = phase, case .bytes(let n) = received {
            phase = .payload(target: target, count: count, done: done, padding: max(0, left - n), error: error)
        }
        return nil
    }

    private func endOfMessage(_ handler: some MessageHandler) throws {
        if case .head = phase, limit == nil, wanted > head.count { try look(handler) }
        defer {
            head.removeAll(keepingCapacity: head.capacity <= 4096)
            (phase, limit, wanted, inMessage) = (.head, nil, Self.firstLook, false)
        }
        switch phase {
        case .head:
            try head.withUnsafeBytes { try handler.message($0) }
        case .payload(_, let count, let done, _, let error):
            guard done == count else { throw RPCError.malformed("a message that ends inside its payload") }
            try handler.endPayload(error)
        }
    }
}
