import COpenSSL
import Certificates
import Glibc
import Handshake
import Kernel
import SecureChannel

/// What OpenSSL's callbacks leave about one handshake. Touched by the one thread that does it.
final class HandshakeState {
    let context: TLSContext
    let request: HandshakeRequest
    /// The server's name as it is checked and sent; nil on a server.
    let target: ServerName?
    let socket: Int32

    /// Recorded by a callback before it has OpenSSL send an alert: the reason that a person is told.
    var refusal: HandshakeFailure?
    /// The last alert the peer sent.
    var alertReceived: UInt8?
    private(set) var clientSecret: Secret?
    private(set) var serverSecret: Secret?

    /// What the socket's BIO saw.
    var received = 0
    var firstBytes: [UInt8] = []
    var reachedEnd = false
    var socketError: SystemError?

    init(_ context: TLSContext, _ request: HandshakeRequest, target: ServerName?, socket: Int32) {
        self.context = context
        self.request = request
        self.target = target
        self.socket = socket
    }

    static func of(_ ssl: OpaquePointer?) -> HandshakeState? {
        guard let ssl, let raw = SSL_get_ex_data(ssl, TLSContext.stateIndex) else { return nil }
        return Unmanaged<HandshakeState>.fromOpaque(raw).takeUnretainedValue()
    }

    /// Keeps a line of SSL_CTX_set_keylog_callback(3), `LABEL CLIENT_RANDOM SECRET` in hexadecimal, if it is one of
    /// the two wanted. The secret is never part of a String: those are not wiped.
    func takeSecret(_ line: UnsafePointer<CChar>) {
        let text = UnsafeRawBufferPointer(start: line, count: strlen(line))
        let space = UInt8(ascii: " ")
        guard let first = text.firstIndex(of: space), let last = text.lastIndex(of: space), first < last else { return }
        let label = String(decoding: text[..<first], as: UTF8.self)
        guard label == "CLIENT_TRAFFIC_SECRET_0" || label == "SERVER_TRAFFIC_SECRET_0" else { return }
        guard let secret = Self.secret(fromHexadecimal: UnsafeRawBufferPointer(rebasing: text[(last + 1)...])) else {
            return
        }
        if label == "CLIENT_TRAFFIC_SECRET_0" { clientSecret = secret } else { serverSecret = secret }
    }

    static func secret(fromHexadecimal text: UnsafeRawBufferPointer) -> Secret? {
        guard !text.isEmpty, text.count % 2 == 0, text.count <= 2 * Int(EVP_MAX_MD_SIZE) else { return nil }
        let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: text.count / 2, alignment: 16)
        defer {
            if let start = bytes.baseAddress { explicit_bzero(start, bytes.count) }
            bytes.deallocate()
        }
        for index in bytes.indices {
            guard let high = digit(text[2 * index]), let low = digit(text[2 * index + 1]) else { return nil }
            bytes[index] = high << 4 | low
        }
        return Secret(UnsafeRawBufferPointer(bytes))
    }

    private static func digit(_ character: UInt8) -> UInt8? {
        switch character {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): character - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): character - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): character - UInt8(ascii: "A") + 10
        default: nil
        }
    }
}
