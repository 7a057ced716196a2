import Kernel
import Synchronization

/// The sending half of a channel: messages queue here and one thread at a time, whoever comes first, puts them on the socket.
///
/// Nothing here blocks on the socket. Who gets `.blocked` waits until the socket is writable, or has somebody wait, and
/// flushes again; it stays the flusher meanwhile.
package final class Sender: @unchecked Sendable {
    // Unchecked: `writer` and `current` belong to the flusher, and `queue.flushing` says that there is one.

    /// What a flush came to.
    package enum Flushed: Sendable, Equatable {
        /// Everything is sent; the caller is the flusher no more.
        case idle
        /// The socket takes no more now; the caller is still the flusher.
        case blocked
        /// The budget is used up; the caller is still the flusher.
        case budget
    }

    private struct Queue {
        var messages: [OutboundMessage] = []
        /// The first of `messages` not taken yet; the array is compacted when it is empty.
        var next = 0
        var flushing = false
        var failed = false
        /// KeyUpdates and alerts to send before the next message.
        var controls: [Control] = []
        /// Bytes of messages that wait, the one in work not counted.
        var bytes = 0

        /// Who waits for the flusher to be done.
        var waiting: [Condition<Bool>] = []

        var isEmpty: Bool { next == messages.count }

        mutating func takeWaiting() -> [Condition<Bool>] {
            defer { waiting.removeAll() }
            return waiting
        }
    }

    private enum Control {
        case alert(Alert)
        case keyUpdate(requested: Bool)
    }

    private let queue = Mutex(Queue())
    private let writer: RecordWriter
    private var current: MessageCursor?
    /// The first of the controls was given to the writer and is not wholly sent.
    private var controlTaken = false

    /// Nil in cleartext.
    private let keys: KeyUse?

    init(_ writer: RecordWriter, _ keys: KeyUse?) {
        self.writer = writer
        self.keys = keys
    }

    /// Queues a message.
    ///
    /// - Returns: true where the caller has become the flusher and must call ``flush(budget:)``.
    /// - Throws: ``ChannelError/closed`` after a failure.
    package func enqueue(_ message: OutboundMessage) throws(ChannelError) -> Bool {
        try become { queue in
            queue.messages.append(message)
            queue.bytes += message.count
        }
    }

    /// Queues an alert behind what is being sent; close_notify behind all that waits.
    package func enqueue(_ alert: Alert) throws(ChannelError) -> Bool {
        try become { queue in
            if alert != .closeNotify {
                queue.messages.removeAll()
                queue.next = 0
                queue.bytes = 0
            }
            queue.controls.append(.alert(alert))
        }
    }

    /// Queues a KeyUpdate; the next message is sent under the next key (RFC 8446 section 4.6.3).
    ///
    /// - Parameter requested: whether the peer is asked to do the same.
    package func enqueueKeyUpdate(requested: Bool) throws(ChannelError) -> Bool {
        try become { $0.controls.append(.keyUpdate(requested: requested)) }
    }

    /// Has a KeyUpdate sent before the next message, whenever that is: what RFC 8446 section 4.6.3 asks of who was asked.
    ///
    /// - Parameter requested: whether the peer is asked to do the same.
    func deferKeyUpdate(requested: Bool) {
        queue.withLock { queue in
            for control in queue.controls {
                switch control {
                case .keyUpdate(let asks): if asks || !requested { return }
                // The connection ends.
                case .alert: return
                }
            }
            queue.controls.append(.keyUpdate(requested: requested))
        }
    }

    /// Looks at how many records the key has: where they are enough, has the next message sent under the next key.
    ///
    /// - Throws: ``ChannelError/keyUsedUp`` where there can be no next key, and this one has had as many as it may.
    private func watchKey() throws(ChannelError) {
        guard let keys else { return }
        let records = writer.records(limit: keys.limits.records)
        guard records >= keys.limits.records else { return }
        if !keys.isSendingWorn {
            if keys.mayUpdate { return deferKeyUpdate(requested: false) }
            keys.isWorn(.send)
        }
        guard records < keys.limits.most else { throw .keyUsedUp }
    }

    private func become(_ body: (inout Queue) -> Void) throws(ChannelError) -> Bool {
        enum Role { case flusher, other, closed }
        let role = queue.withLock { queue -> Role in
            if queue.failed { return .closed }
            body(&queue)
            if queue.flushing { return .other }
            queue.flushing = true
            return .flusher
        }
        if role == .closed { throw .closed }
        return role == .flusher
    }

    /// Messages and bytes that wait and that nobody has begun to send.
    package var backlog: (messages: Int, bytes: Int) {
        queue.withLock { ($0.messages.count - $0.next, $0.bytes) }
    }

    private enum Next {
        case message(OutboundMessage)
        case control(Control)
        case nothing
    }

    /// Sends what is queued. Only the flusher calls it.
    ///
    /// - Parameter budget: bytes after which it returns, the message in work finished or not.
    /// - Throws: ``ChannelError``; the channel is of no more use then.
    package func flush(budget: Int = .max) throws(ChannelError) -> Flushed {
        do {
            let start = writer.taken
            while true {
                if current != nil {
                    let more = queue.withLock { !$0.isEmpty }
                    guard var cursor = current.take() else { continue }
                    let progress = try writer.push(&cursor, more: more)
                    guard case .done = progress else {
                        current = cursor
                        return .blocked
                    }
                    try watchKey()
                    if writer.taken - start >= budget { return .budget }
                    continue
                }
                switch takeNext() {
                case .message(let message):
                    current = MessageCursor(message)
                case .control(let control):
                    guard try send(control) else { return .blocked }
                case .nothing:
                    guard case .done = try writer.drain() else { return .blocked }
                    let waiting = queue.withLock { queue -> [Condition<Bool>]? in
                        guard queue.isEmpty && queue.controls.isEmpty else { return nil }
                        queue.flushing = false
                        return queue.takeWaiting()
                    }
                    guard let waiting else { continue }
                    for one in waiting { one.withLock(wake: true) { $0 = true } }
                    return .idle
                }
            }
        } catch {
            fail()
            throw error
        }
    }

    /// Lets the channel take no more messages: every later call throws ``ChannelError/closed``.
    package func fail() {
        let waiting = queue.withLock { queue in
            queue.failed = true
            queue.messages.removeAll()
            queue.next = 0
            queue.bytes = 0
            queue.controls.removeAll()
            return queue.takeWaiting()
        }
        for one in waiting { one.withLock(wake: true) { $0 = true } }
    }

    /// Whether somebody is the flusher.
    package var isFlushing: Bool { queue.withLock { $0.flushing } }

    /// Waits until whoever is the flusher has sent everything, for callers that are not.
    func waitUntilIdle(until deadline: Deadline) {
        let done = Condition(false)
        let isIdle = queue.withLock { queue in
            if queue.flushing && !queue.failed { queue.waiting.append(done) }
            return !queue.flushing || queue.failed
        }
        if !isIdle { _ = done.wait(until: deadline) { $0 ? true : nil } }
    }

    private func takeNext() -> Next {
        queue.withLock { queue in
            // An alert that ends the connection waits for the messages before it; a KeyUpdate does not.
            if let control = queue.controls.first {
                if case .alert = control, !queue.isEmpty {
                } else {
                    return .control(control)
                }
            }
            guard !queue.isEmpty else { return .nothing }
            let message = queue.messages[queue.next]
            queue.next += 1
            queue.bytes -= message.count
            if queue.isEmpty {
                queue.messages.removeAll(keepingCapacity: true)
                queue.next = 0
            } else if queue.next > 256 {
                queue.messages.removeFirst(queue.next)
                queue.next = 0
            }
            return .message(message)
        }
    }

    /// Sends a control record whole, so that the key can change behind it.
    ///
    /// - Returns: false where the socket takes no more now; called again with the same control then.
    private func send(_ control: Control) throws(ChannelError) -> Bool {
        guard case .done = try writer.drain() else { return false }
        if !controlTaken {
            let (type, bytes): (UInt8, [UInt8]) =
                switch control {
                case .alert(let alert): (Record.ContentType.alert, [alert == .closeNotify ? 1 : 2, alert.code])
                case .keyUpdate(let requested): (Record.ContentType.handshake, [24, 0, 0, 1, requested ? 1 : 0])
                }
            guard case .done = try writer.pushControl(type: type, bytes) else { return false }
            controlTaken = true
            guard case .done = try writer.drain() else { return false }
        }
        controlTaken = false
        queue.withLock { queue in
            if !queue.controls.isEmpty { queue.controls.removeFirst() }
        }
        if case .keyUpdate = control {
            try writer.rekey()
            keys?.hasChanged(.send)
        }
        return true
    }
}
