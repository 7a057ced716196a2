import Kernel

/// Puts messages on a socket in one record layer's way. Used by one thread at a time: the ``Sender``'s flusher.
class RecordWriter {
    /// What became of a push.
    enum Progress { case done, blocked }

    /// Bytes of messages taken so far, for a flusher's budget.
    var taken = 0

    /// Takes as much of a message as the socket accepts.
    ///
    /// - Parameter more: whether another message is known to follow at once.
    /// - Returns: `.done` when the message is wholly taken, which need not mean that it is sent: see ``drain()``.
    func push(_ cursor: inout MessageCursor, more: Bool) throws(ChannelError) -> Progress { fatalError("abstract") }

    /// Sends what was taken and not sent yet.
    func drain() throws(ChannelError) -> Progress { fatalError("abstract") }

    /// Takes a record of another content type; ``drain()`` sends it.
    func pushControl(type: UInt8, _ bytes: [UInt8]) throws(ChannelError) -> Progress { fatalError("abstract") }

    /// Records under the key in use: exactly, or below `limit` an upper bound.
    func records(limit: UInt64) -> UInt64 { 0 }

    /// Starts to use the next key, behind the KeyUpdate that was just taken and drained.
    func rekey() throws(ChannelError) { fatalError("abstract") }
}
