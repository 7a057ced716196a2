import CProtocol

/// Encoding and decoding of reply headers, RFC 5531 section 9, by libtirpc.
enum ReplyHeader {
    /// accept_stat
    enum Accepted: UInt32 {
        case success = 0
        case programUnavailable = 1
        case programMismatch = 2
        case procedureUnavailable = 3
        case garbageArguments = 4
        case systemError = 5
    }

    /// The largest header: a verifier of 400 bytes and seven words.
    private static let limit = 4 * 8 + 400

    /// An accepted reply in one fragment.
    ///
    /// - Parameters:
    ///   - verifier: the body of an AUTH_NONE verifier: empty, but for RFC 9289's STARTTLS.
    ///   - versions: with `.programMismatch`, the lowest and the highest there is.
    ///   - following: bytes of payload and padding that come behind `results`.
    static func accepted(
        _ transaction: UInt32, _ status: Accepted, verifier: [UInt8] = [], versions: (UInt32, UInt32) = (0, 0),
        results: [UInt8] = [], following: Int = 0
    ) -> [UInt8] {
        message(results, following) {
            tlsd_encode_reply_accepted(
                $0, $1, transaction, 0, verifier, verifier.count, status.rawValue, versions.0, versions.1)
        }
    }

    /// MSG_DENIED with AUTH_ERROR.
    static func denied(_ transaction: UInt32, _ status: AuthStatus) -> [UInt8] {
        message([], 0) { tlsd_encode_reply_denied($0, $1, transaction, 1, status.rawValue, 0, 0) }
    }

    /// MSG_DENIED with RPC_MISMATCH: version 2 is all there is.
    static func rpcMismatch(_ transaction: UInt32) -> [UInt8] {
        message([], 0) { tlsd_encode_reply_denied($0, $1, transaction, 0, 0, 2, 2) }
    }

    private static func message(
        _ results: [UInt8], _ following: Int, _ header: (UnsafeMutablePointer<UInt8>, Int) -> Int
    ) -> [UInt8] {
        var message = [UInt8](unsafeUninitializedCapacity: RecordMark.length + limit + results.count) { space, count in
            guard let start = space.baseAddress else { return }
            let length = header(start + RecordMark.length, limit)
            precondition(length > 0, "a reply header fits in the largest one")
            count = RecordMark.length + length
        }
        message += results
        message.storeWord(RecordMark.whole(message.count - RecordMark.length + following), at: 0)
        return message
    }

    enum Decoded {
        case header(tlsd_reply, length: Int)
        case needsMore
        case malformed
    }

    static func decode(_ bytes: UnsafeRawBufferPointer) -> Decoded {
        var reply = tlsd_reply()
        let length = tlsd_decode_reply(bytes.baseAddress, bytes.count, &reply)
        if length > 0 { return .header(reply, length: length) }
        return length == Int(TLSD_RPC_TRUNCATED) ? .needsMore : .malformed
    }

    /// Why a decoded reply is not SUCCESS; nil where it is.
    static func refusal(_ reply: tlsd_reply, program: UInt32, procedure: UInt32) -> RPCError.Refusal? {
        guard reply.accepted else {
            return reply.reject_stat == 0
                ? .rpcMismatch(low: reply.low, high: reply.high) : .authentication(reply.auth_stat)
        }
        switch Accepted(rawValue: reply.accept_stat) {
        case .success: return nil
        case .programUnavailable: return .programUnavailable(program)
        case .programMismatch: return .programMismatch(program, low: reply.low, high: reply.high)
        case .procedureUnavailable: return .procedureUnavailable(procedure)
        case .garbageArguments: return .garbageArguments
        case .systemError, nil: return .systemError
        }
    }
}
