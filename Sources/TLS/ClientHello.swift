import COpenSSL
import Handshake

/// What a server looks at in a ClientHello before OpenSSL does (RFC 8446 section 4.1.2).
enum ClientHello {
    /// The client hello callback: refuses a client without TLS 1.3, and without ALPN where that is insisted on.
    ///
    /// - Returns: SSL_CLIENT_HELLO_SUCCESS, or SSL_CLIENT_HELLO_ERROR with the alert to send.
    static func check(_ ssl: OpaquePointer?, _ alert: UnsafeMutablePointer<Int32>?) -> Int32 {
        guard let ssl, let state = HandshakeState.of(ssl) else {
            alert?.pointee = SSL_AD_INTERNAL_ERROR
            return SSL_CLIENT_HELLO_ERROR
        }
        let best = bestVersion(ssl)
        guard best >= UInt32(TLS1_3_VERSION) else {
            state.refusal = HandshakeFailure(
                .protocolViolation, "the peer speaks no TLS 1.3 (it offered at most \(versionName(best)))")
            alert?.pointee = SSL_AD_PROTOCOL_VERSION
            return SSL_CLIENT_HELLO_ERROR
        }
        if state.context.configuration.strictALPN
            && field(ssl, TLSEXT_TYPE_application_layer_protocol_negotiation) == nil
        {
            state.refusal = HandshakeFailure(
                .protocolViolation, "the peer offered no application protocol (ALPN), and \(sunrpc) is insisted on")
            alert?.pointee = SSL_AD_NO_APPLICATION_PROTOCOL
            return SSL_CLIENT_HELLO_ERROR
        }
        return SSL_CLIENT_HELLO_SUCCESS
    }

    /// The ALPN callback, called where the client has ALPN: takes `sunrpc` and nothing else.
    static func selectProtocol(
        _ ssl: OpaquePointer?, _ chosen: UnsafeMutablePointer<UnsafePointer<UInt8>?>?,
        _ chosenLength: UnsafeMutablePointer<UInt8>?, _ offered: UnsafePointer<UInt8>?, _ offeredLength: UInt32
    ) -> Int32 {
        let list = UnsafeBufferPointer(start: offered, count: Int(offeredLength))
        var names: [String] = []
        var position = 0
        while position < list.count {
            let length = Int(list[position])
            let start = position + 1
            guard length > 0, start + length <= list.count else { break }
            let name = UnsafeBufferPointer(rebasing: list[start..<(start + length)])
            if name.elementsEqual(sunrpc.utf8) {
                chosen?.pointee = name.baseAddress
                chosenLength?.pointee = UInt8(truncatingIfNeeded: length)
                return SSL_TLSEXT_ERR_OK
            }
            names.append(printableName(name))
            position = start + length
        }
        let wanted = names.prefix(8).joined(separator: ", ")
        HandshakeState.of(ssl)?.refusal = HandshakeFailure(
            .protocolViolation, "the peer wants another application protocol (ALPN): \(wanted), not \(sunrpc)")
        return SSL_TLSEXT_ERR_ALERT_FATAL
    }

    /// The highest version a ClientHello offers, of those that have a number (RFC 8701's values have none).
    private static func bestVersion(_ ssl: OpaquePointer) -> UInt32 {
        guard let versions = field(ssl, TLSEXT_TYPE_supported_versions) else {
            return SSL_client_hello_get0_legacy_version(ssl)
        }
        var best: UInt32 = 0
        // One byte of length, then two for each version.
        var position = 1
        while position + 1 < versions.count {
            let version = UInt32(versions[position]) << 8 | UInt32(versions[position + 1])
            if version & 0x0f0f != 0x0a0a { best = max(best, version) }
            position += 2
        }
        return best
    }

    private static func field(_ ssl: OpaquePointer, _ type: Int32) -> UnsafeBufferPointer<UInt8>? {
        var bytes: UnsafePointer<UInt8>?
        var count = 0
        guard SSL_client_hello_get0_ext(ssl, UInt32(type), &bytes, &count) == 1 else { return nil }
        return UnsafeBufferPointer(start: bytes, count: count)
    }

    private static func versionName(_ version: UInt32) -> String {
        switch version {
        case 0x0300: "SSL 3.0"
        case 0x0301: "TLS 1.0"
        case 0x0302: "TLS 1.1"
        case 0x0303: "TLS 1.2"
        default: "version \(version)"
        }
    }
}
