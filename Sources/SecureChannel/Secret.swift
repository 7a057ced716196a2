import Glibc

/// Bytes that must not outlive their use: wiped when the last reference goes.
package final class Secret: Sendable {
    private let bytes: UnsafeMutableRawBufferPointer

    package init(_ source: UnsafeRawBufferPointer) {
        bytes = .allocate(byteCount: source.count, alignment: 16)
        bytes.copyMemory(from: source)
    }

    package init(_ source: [UInt8]) {
        bytes = .allocate(byteCount: source.count, alignment: 16)
        bytes.copyBytes(from: source)
    }

    deinit {
        explicit_bzero(bytes.baseAddress, bytes.count)
        bytes.deallocate()
    }

    package var count: Int { bytes.count }

    package func withBytes<R>(_ body: (UnsafeRawBufferPointer) throws -> R) rethrows -> R {
        try body(UnsafeRawBufferPointer(bytes))
    }
}

/// What a handshake leaves for a record layer: the suite and one application traffic secret for each direction
/// (RFC 8446 section 7.1), named by who sends.
package struct SessionSecrets: Sendable {
    package let suite: CipherSuite
    /// `client_application_traffic_secret_0`
    package let client: Secret
    /// `server_application_traffic_secret_0`
    package let server: Secret

    package init(suite: CipherSuite, client: Secret, server: Secret) {
        self.suite = suite
        self.client = client
        self.server = server
    }
}
