/// What a slot of the request file says of one call.
///
///     8 bytes  first half of the SHA-256 of the rest, up to the reply's end
///     4 bytes  1 begun, 2 done; a slot of zeros is empty
///     4 bytes  length of the reply
///     8 bytes  sequence: later calls have larger ones
///     8 bytes  when it was begun: nanoseconds of CLOCK_REALTIME
///    16 bytes  client
///    16 bytes  call
///     n bytes  the reply: encoded results
///
/// Numbers have their most significant byte first.
struct RequestRecord: Equatable {
    static let headLength = 64
    static let slotLength = 512
    /// A longer reply is not kept across a restart. Those of RFC 1813's procedures that change names and attributes have
    /// 276 bytes at most.
    static let replyLimit = slotLength - headLength

    let key: RequestKey
    let sequence: UInt64
    let begun: UInt64
    /// Nil: the call was begun, and no more is known.
    let reply: [UInt8]?

    /// - Returns: nil where the reply is too long.
    func encoded() -> [UInt8]? {
        let reply = reply ?? []
        guard reply.count <= Self.replyLimit else { return nil }
        var body: [UInt8] = []
        body.reserveCapacity(Self.headLength + reply.count)
        body += UInt32(self.reply == nil ? 1 : 2).bigEndianBytes
        body += UInt32(reply.count).bigEndianBytes
        body += sequence.bigEndianBytes
        body += begun.bigEndianBytes
        body += key.client.bytes
        body += key.call.bytes
        body += reply
        return Digest(of: body).high.bigEndianBytes + body
    }

    enum Slot: Equatable {
        case empty
        case damaged
        case record(RequestRecord)
    }

    /// What a slot's bytes say.
    static func decode(_ slot: UnsafeRawBufferPointer) -> Slot {
        guard slot.count >= headLength else { return .damaged }
        let (state, length): (UInt32, UInt32) = (slot.number(at: 8), slot.number(at: 12))
        if state == 0, slot.number(at: 0) == UInt64(0) { return .empty }
        guard state == 1 || state == 2, Int(length) <= slot.count - headLength,
            slot.number(at: 0) == Digest(of: slot[8..<headLength + Int(length)]).high
        else { return .damaged }
        let client = Digest(high: slot.number(at: 32), low: slot.number(at: 40))
        let call = Digest(high: slot.number(at: 48), low: slot.number(at: 56))
        return .record(
            RequestRecord(
                key: RequestKey(client: client, call: call), sequence: slot.number(at: 16), begun: slot.number(at: 24),
                reply: state == 2 ? Array(slot[headLength..<headLength + Int(length)]) : nil))
    }
}

extension UnsafeRawBufferPointer {
    /// A number with its most significant byte first. `offset` must leave room for it.
    fileprivate func number<N: FixedWidthInteger>(at offset: Int) -> N {
        N(bigEndian: loadUnaligned(fromByteOffset: offset, as: N.self))
    }
}
