/// How many records one key may protect: RFC 8446 section 5.5.
///
/// AES-GCM keeps its margin for 2^24.5 records of full size. ChaCha20-Poly1305 needs no such limit; its keys are changed as
/// often, which costs nothing that can be measured.
package struct KeyLimits: Sendable, Equatable {
    /// Records, of either direction, after which the key is changed or the connection is left for another one.
    package let records: UInt64
    /// Records after which this end sends nothing more under a key: ``Sender`` looks between two messages, of which each has
    /// a few thousand records at most.
    package let most: UInt64

    package init(records: UInt64, most: UInt64 = 1 << 24) {
        self.records = records
        self.most = most
    }

    /// A server's: 128 GiB in full records.
    package static let server = KeyLimits(records: 1 << 23)
    /// A client's: half of that. It knows more ways out than a server, which can only end the connection where it does not
    /// know what its client takes; so the client is to come first.
    package static let client = KeyLimits(records: 1 << 22)
    /// What ``records`` may be set to.
    package static let settable = 64...(1 << 23)
}
