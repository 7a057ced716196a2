package import Kernel

/// What a receive came to.
package enum Received: Sendable {
    /// So many bytes, at least one.
    case bytes(Int)
    /// Nothing is there now: wait until the socket is readable.
    case blocked
    /// The peer ended the stream, as it should, with close_notify (in cleartext: with FIN).
    case end
    /// So many bytes left the stream and could not be written to the file, for this reason. The channel goes on.
    case fileFailed(Int, SystemError)
}

/// Takes bytes off a socket in one record layer's way: the receiving half of a channel. Used by one thread at a time.
package class RecordReader {
    var ended = false
    private var postHandshake = PostHandshake()
    /// The bytes of an alert so far: the kernel hands a record out in pieces where the reader's buffer is small.
    private var alert: [UInt8] = []
    /// Has the sending half send a KeyUpdate before its next message, and ask for the peer's where that is wanted.
    var sendKeyUpdate: (_ requested: Bool) -> Void = { _ in }
    /// Nil in cleartext.
    var keys: KeyUse?
    /// The peer was asked for another key than the one in use.
    private var hasAsked = false
    /// KeyUpdates since the last data.
    private var keyUpdatesInRow = 0
    /// As many as others take (BoringSSL): each costs the derivation of a key, and in the kernel layer an upcall.
    private static let keyUpdateLimit = 32

    init() {}

    /// Whether a receive would find bytes without asking the socket.
    package var hasBuffered: Bool { false }

    /// Takes up to the buffer's size.
    package func receive(into buffer: UnsafeMutableRawBufferPointer) throws(ChannelError) -> Received {
        fatalError("abstract")
    }

    /// Takes up to `count` bytes and writes them to a file from `offset` on.
    package func receive(_ count: Int, to file: Int32, at offset: UInt64) throws(ChannelError) -> Received {
        fatalError("abstract")
    }

    /// Starts to use the peer's next key.
    func rekey() throws(ChannelError) { fatalError("abstract") }

    /// Handles a record that is not application data.
    ///
    /// - Parameter mayContinue: whether `bytes` may be the beginning of the record alone.
    func control(type: UInt8, _ bytes: UnsafeRawBufferPointer, mayContinue: Bool = false) throws(ChannelError) {
        switch type {
        case Record.ContentType.alert:
            alert += bytes.prefix(3)
            if alert.count < 2 && mayContinue { return }
            guard alert.count == 2 else { throw .violation(.decodeError, "an alert of \(alert.count) bytes") }
            let received = Alert(code: alert[1])
            guard received == .closeNotify else { throw .peerAlert(received) }
            ended = true
        case Record.ContentType.handshake:
            guard !bytes.isEmpty else { throw .violation(.unexpectedMessage, "an empty handshake record") }
            var requested = false
            try postHandshake.receive(bytes) { message throws(ChannelError) in
                // A ticket would be for resumption, which RFC 9289 has no use for here.
                guard case .keyUpdate(let asked) = message else { return }
                keyUpdatesInRow += 1
                guard keyUpdatesInRow <= Self.keyUpdateLimit else {
                    throw .violation(.unexpectedMessage, "\(keyUpdatesInRow) KeyUpdates and no data between them")
                }
                try rekey()
                hasAsked = false
                keys?.hasChanged(.receive)
                // Who sends them takes them.
                keys?.allow()
                requested = asked
            }
            if requested { sendKeyUpdate(false) }
        default:
            throw .violation(.unexpectedMessage, "a record of type \(type)")
        }
    }

    /// Data came: so many bytes. A handshake message that has begun must go on in the next record (RFC 8446 section 5.1).
    func isData(_ count: Int) throws(ChannelError) {
        if count > 0 { keyUpdatesInRow = 0 }
        if postHandshake.isInsideMessage {
            throw .violation(.unexpectedMessage, "application data inside a handshake message")
        }
    }

    /// So many records came under the key in use: where they are enough, the peer is asked for another key.
    func watchKey(_ records: UInt64) {
        guard let keys, records >= keys.limits.records else { return }
        // A peer that was asked has as many again to do it.
        if hasAsked && records / 2 < keys.limits.records { return }
        guard !hasAsked && keys.mayUpdate else { return keys.isWorn(.receive) }
        hasAsked = true
        sendKeyUpdate(true)
    }
}
