/// Reads the handshake messages that may follow a finished handshake (RFC 8446 section 4.6), however they are cut into records.
struct PostHandshake {
    enum Message: Equatable {
        case newSessionTicket
        case keyUpdate(requested: Bool)
    }

    private var pending: [UInt8] = []
    /// The largest NewSessionTicket: two vectors of at most 65535 bytes, a nonce of 255, and their lengths.
    private static let limit = 4 + 4 + 4 + 256 + 2 * 65537

    /// Whether a message has begun and not ended.
    var isInsideMessage: Bool { !pending.isEmpty }

    /// Takes the bytes of one record and calls `body` with each message that is whole now.
    ///
    /// - Throws: ``ChannelError/violation(_:_:)`` for a message that has no place here, and for one that goes on behind a
    ///   KeyUpdate in its record (RFC 8446 section 5.1); and what `body` throws.
    mutating func receive(
        _ bytes: UnsafeRawBufferPointer, _ body: (Message) throws(ChannelError) -> Void
    ) throws(ChannelError) {
        pending.append(contentsOf: bytes)
        while pending.count >= 4 {
            let length = Int(pending[1]) << 16 | Int(pending[2]) << 8 | Int(pending[3])
            guard length <= Self.limit else {
                throw .violation(.decodeError, "a handshake message of \(length) bytes")
            }
            guard pending.count >= 4 + length else { return }
            let type = pending[0]
            let first = length > 0 ? pending[4] : nil
            pending.removeFirst(4 + length)
            switch type {
            case 4:
                try body(.newSessionTicket)
            case 24:
                guard length == 1, let first, first <= 1 else {
                    throw .violation(.decodeError, "a malformed KeyUpdate")
                }
                guard pending.isEmpty else {
                    throw .violation(.unexpectedMessage, "a handshake message behind a KeyUpdate in its record")
                }
                try body(.keyUpdate(requested: first == 1))
            default:
                throw .violation(.unexpectedMessage, "a handshake message of type \(type) after the handshake")
            }
        }
    }
}
