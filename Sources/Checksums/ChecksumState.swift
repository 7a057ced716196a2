import CCrypto
import CXXHash

/// A checksum in the making.
package final class ChecksumState {
    private let algorithm: ChecksumAlgorithm
    private var xxh3: OpaquePointer?
    private var digest: OpaquePointer?

    package init(_ algorithm: ChecksumAlgorithm) {
        self.algorithm = algorithm
        switch algorithm {
        case .xxh3:
            xxh3 = XXH3_createState()
            guard let xxh3, XXH3_128bits_reset(xxh3) == XXH_OK else { fatalError("no memory for a checksum") }
        case .sha256:
            digest = EVP_MD_CTX_new()
            guard EVP_DigestInit_ex(digest, EVP_sha256(), nil) == 1 else { fatalError("libcrypto has no SHA-256") }
        }
    }

    deinit {
        XXH3_freeState(xxh3)
        EVP_MD_CTX_free(digest)
    }

    package func update(_ bytes: UnsafeRawBufferPointer) {
        guard let base = bytes.baseAddress, bytes.count > 0 else { return }
        switch algorithm {
        case .xxh3: _ = XXH3_128bits_update(xxh3, base, bytes.count)
        case .sha256: _ = EVP_DigestUpdate(digest, base, bytes.count)
        }
    }

    /// The checksum of all bytes so far. Nothing may be added afterwards.
    package func finish() -> Checksum {
        switch algorithm {
        case .xxh3:
            var canonical = XXH128_canonical_t()
            XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(xxh3))
            return Checksum(bytes: withUnsafeBytes(of: canonical) { Array($0) })
        case .sha256:
            var bytes = [UInt8](repeating: 0, count: algorithm.length)
            EVP_DigestFinal_ex(digest, &bytes, nil)
            return Checksum(bytes: bytes)
        }
    }
}
