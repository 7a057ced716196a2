import CCrypto
import NFS
import RPC

/// Which call this is, and whose: two calls with one key are one call that was sent twice.
///
/// Everything the caller chose is in it, and who the caller is, so that nobody gets another's reply. The port is not:
/// a client comes back from another one.
struct RequestKey: Hashable, Sendable {
    /// The peer: its host's address, how it is protected, its certificate.
    let client: Digest
    /// The peer, its credential, the transaction, the procedure and all the arguments.
    let call: Digest

    init(client: Digest, call: Digest) {
        self.client = client
        self.call = call
    }

    /// - Parameter without: parts of the arguments that do not count, in their order: data, which would take as long to
    ///   hash as to write. A call that is sent again has the same.
    init(_ call: Call, arguments: UnsafeRawBufferPointer, without: [Range<Int>] = []) {
        let address = call.peer.address
        var who = Array(address[..<(address.lastIndex(of: ":") ?? address.endIndex)].utf8)
        switch call.peer.protection {
        case .none: who += [0, 0]
        case .tls: who += [0, 1]
        case .mutual(let certificate): who += [0, 2] + Array(certificate.fingerprint.utf8)
        }
        client = Digest(of: who)

        var bytes: [UInt8] = []
        bytes.reserveCapacity(256 + arguments.count - without.reduce(0) { $0 + $1.count })
        bytes += client.bytes
        for word in [call.transaction, call.program, call.version, call.procedure] { bytes += word.bigEndianBytes }
        switch call.credential {
        case .none: bytes += UInt32(0).bigEndianBytes
        case .system(let uid, let gid, let groups):
            // The count keeps the last group apart from the first argument.
            for word in [1, uid, gid, UInt32(clamping: groups.count)] + groups { bytes += word.bigEndianBytes }
        case .tls: bytes += UInt32(7).bigEndianBytes
        case .unsupported(let flavor): bytes += flavor.bigEndianBytes
        }
        var position = 0
        for range in without where range.lowerBound >= position && range.upperBound <= arguments.count {
            bytes += arguments[position..<range.lowerBound]
            position = range.upperBound
        }
        bytes += arguments[position...]
        self.call = Digest(of: bytes)
    }
}

/// The first 128 bits of a SHA-256: nobody makes one that another's call has.
struct Digest: Hashable, Sendable {
    static let length = 16

    let high: UInt64
    let low: UInt64

    init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    init(of bytes: some Collection<UInt8>) {
        self =
            bytes.withContiguousStorageIfAvailable { Digest(hashing: UnsafeRawBufferPointer($0)) }
            ?? Array(bytes).withUnsafeBytes { Digest(hashing: $0) }
    }

    private init(hashing bytes: UnsafeRawBufferPointer) {
        self = withUnsafeTemporaryAllocation(byteCount: Int(EVP_MAX_MD_SIZE), alignment: 8) { digest in
            var length: UInt32 = 0
            guard
                EVP_Digest(
                    bytes.baseAddress, bytes.count, digest.baseAddress?.assumingMemoryBound(to: UInt8.self), &length,
                    EVP_sha256(), nil) == 1, length == 32
                // libcrypto is out of memory, or lacks SHA-256: calls could not be told apart.
            else { fatalError("SHA-256 failed") }
            return Digest(
                high: UInt64(bigEndian: digest.load(as: UInt64.self)),
                low: UInt64(bigEndian: digest.load(fromByteOffset: 8, as: UInt64.self)))
        }
    }

    var bytes: [UInt8] { high.bigEndianBytes + low.bigEndianBytes }
}
