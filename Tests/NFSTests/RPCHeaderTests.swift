import CProtocol
import Testing

/// The C functions of xdr_shims.h.
@Suite struct RPCHeaderTests {
    private func encoded(_ body: (UnsafeMutableRawPointer?, Int) -> Int) -> [UInt8] {
        withUnsafeTemporaryAllocation(byteCount: 1024, alignment: 8) { buffer in
            let length = body(buffer.baseAddress, buffer.count)
            return length < 0 ? [] : Array(buffer.prefix(length))
        }
    }

    @Test(arguments: [0, 1, 3, 4, 399, 400])
    func calls(credential: Int) {
        let body = (0..<credential).map { UInt8(truncatingIfNeeded: $0 + 1) }
        let bytes = encoded { tlsd_encode_call($0, $1, 77, 100003, 3, 7, 1, body, body.count) }
        #expect(bytes.count == 40 + (credential + 3) & ~3)
        var call = tlsd_call()
        (bytes + [1, 2, 3]).withUnsafeBytes { all in
            #expect(tlsd_decode_call(all.baseAddress, all.count, &call) == bytes.count)
            #expect(call.xid == 77 && call.prog == 100003 && call.vers == 3 && call.proc == 7 && call.rpcvers == 2)
            #expect(call.cred.flavor == 1 && Int(call.cred.length) == credential)
            #expect(Array(UnsafeBufferPointer(start: call.cred.body, count: Int(call.cred.length))) == body)
            #expect(call.verf.flavor == 0 && call.verf.length == 0 && call.verf.body == nil)
        }
        for length in 0..<bytes.count {
            #expect(tlsd_decode_call(bytes, length, &call) == TLSD_RPC_TRUNCATED, "cut at \(length)")
        }
    }

    @Test func callsThatAreWrong() {
        #expect(encoded { tlsd_encode_call($0, $1, 1, 2, 3, 4, 1, [UInt8](repeating: 0, count: 401), 401) } == [])
        #expect(encoded { buffer, _ in tlsd_encode_call(buffer, 39, 1, 2, 3, 4, 0, nil, 0) } == [])
        var call = tlsd_call()
        var bytes = encoded { tlsd_encode_call($0, $1, 5, 2, 3, 4, 0, nil, 0) }
        bytes[11] = 3
        #expect(tlsd_decode_call(bytes, bytes.count, &call) == TLSD_RPC_VERSION)
        #expect(call.xid == 5 && call.rpcvers == 3)
        bytes[11] = 2
        bytes[7] = 1
        #expect(tlsd_decode_call(bytes, bytes.count, &call) == TLSD_RPC_MALFORMED, "a reply")
        bytes[7] = 0
        bytes[30] = 2
        #expect(tlsd_decode_call(bytes, bytes.count, &call) == TLSD_RPC_MALFORMED, "512 bytes of credential")
    }

    @Test func acceptedReplies() {
        var reply = tlsd_reply()
        let starttls = Array("STARTTLS".utf8)
        let bytes = encoded { tlsd_encode_reply_accepted($0, $1, 9, 0, starttls, starttls.count, 0, 0, 0) }
        (bytes + [7, 7]).withUnsafeBytes { all in
            #expect(tlsd_decode_reply(all.baseAddress, all.count, &reply) == bytes.count)
            #expect(reply.xid == 9 && reply.accepted && reply.accept_stat == 0)
            #expect(Array(UnsafeBufferPointer(start: reply.verf.body, count: Int(reply.verf.length))) == starttls)
        }
        for length in 0..<bytes.count {
            #expect(tlsd_decode_reply(bytes, length, &reply) == TLSD_RPC_TRUNCATED, "cut at \(length)")
        }
        let mismatch = encoded { tlsd_encode_reply_accepted($0, $1, 9, 0, nil, 0, 2, 3, 4) }
        #expect(tlsd_decode_reply(mismatch, mismatch.count, &reply) == mismatch.count)
        #expect(reply.accept_stat == 2 && reply.low == 3 && reply.high == 4)
        for stat: UInt32 in [1, 3, 4, 5] {
            let bytes = encoded { tlsd_encode_reply_accepted($0, $1, 9, 0, nil, 0, stat, 0, 0) }
            #expect(bytes.count == 24)
            #expect(tlsd_decode_reply(bytes, bytes.count, &reply) == 24)
            #expect(reply.accept_stat == stat && reply.low == 0)
        }
    }

    @Test func deniedReplies() {
        var reply = tlsd_reply()
        let version = encoded { tlsd_encode_reply_denied($0, $1, 9, 0, 0, 2, 2) }
        #expect(tlsd_decode_reply(version, version.count, &reply) == version.count)
        #expect(!reply.accepted && reply.reject_stat == 0 && reply.low == 2 && reply.high == 2)
        let auth = encoded { tlsd_encode_reply_denied($0, $1, 9, 1, 5, 0, 0) }
        #expect(tlsd_decode_reply(auth, auth.count, &reply) == 20)
        #expect(!reply.accepted && reply.reject_stat == 1 && reply.auth_stat == 5)
        var wrong = auth
        wrong[15] = 2
        #expect(tlsd_decode_reply(wrong, wrong.count, &reply) == TLSD_RPC_MALFORMED)
    }

    @Test func authSys() {
        var parameters = tlsd_auth_sys()
        parameters.stamp = 1
        parameters.uid = 1000
        parameters.gid = 100
        parameters.count = 16
        parameters.groups.0 = 5
        parameters.groups.15 = 6
        parameters.machine.0 = 65
        let bytes = encoded { tlsd_encode_auth_sys($0, $1, &parameters) }
        #expect(bytes.count == 4 + 8 + 4 + 4 + 4 + 64)
        var decoded = tlsd_auth_sys()
        #expect(tlsd_decode_auth_sys(bytes, bytes.count, &decoded) == 0)
        #expect(decoded.uid == 1000 && decoded.gid == 100 && decoded.count == 16)
        #expect(decoded.groups.0 == 5 && decoded.groups.15 == 6 && decoded.machine.0 == 65 && decoded.machine.1 == 0)
        for length in 0..<bytes.count {
            #expect(tlsd_decode_auth_sys(bytes, length, &decoded) == -1, "cut at \(length)")
        }
        #expect(tlsd_decode_auth_sys(bytes + [0, 0, 0, 0], bytes.count + 4, &decoded) == -1)
        var long = bytes
        long[6] = 1  // a machine name of 257 bytes
        #expect(tlsd_decode_auth_sys(long, long.count, &decoded) == -1)
        parameters.count = 17
        #expect(encoded { tlsd_encode_auth_sys($0, $1, &parameters) } == [])
    }

    @Test func randomBytesDoNoHarm() {
        var generator = SystemRandomNumberGenerator()
        var (call, reply, parameters) = (tlsd_call(), tlsd_reply(), tlsd_auth_sys())
        let good = encoded { tlsd_encode_call($0, $1, 77, 100003, 3, 7, 1, [1, 2, 3, 4], 4) }
        for _ in 0..<20_000 {
            var bytes = good
            for _ in 0..<3 {
                bytes[Int.random(in: bytes.indices, using: &generator)] = .random(in: 0...255, using: &generator)
            }
            _ = tlsd_decode_call(bytes, bytes.count, &call)
            bytes[7] = 1
            _ = tlsd_decode_reply(bytes, bytes.count, &reply)
            _ = tlsd_decode_auth_sys(bytes, bytes.count, &parameters)
        }
    }
}
