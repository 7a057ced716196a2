import Glibc

/// Bytes that must not outlive their use: wiped when the last reference goes.
package final class Secret: Sendable {
    // Written in init alone.
    private nonisolated(unsafe) let bytes: UnsafeMutableRawBufferPointer

    package init(_ source: UnsafeRawBufferPointer) {
        bytes = .allocate(byteCount: source.count, alignment: 16)
        bytes.copyMemory(from: source)
    }

    package init(_ source: [UInt8]) {
        bytes = .allocate(byteCount: source.count, alignment: 16)
        bytes.copyBytes(from: source)
    }

    deinit {
        wipe(bytes)
        bytes.deallocate()
    }

    package var count: Int { bytes.count }

    package func withBytes<R, E: Error>(_ body: (UnsafeRawBufferPointer) throws(E) -> R) throws(E) -> R {
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

/// explicit_bzero(3): a wipe the optimizer keeps.
func wipe(_ bytes: UnsafeMutableRawBufferPointer) {
    if let start = bytes.baseAddress { explicit_bzero(start, bytes.count) }
}
