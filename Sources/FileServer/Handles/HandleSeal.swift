import CCrypto
import Glibc
import Kernel
import NFS
import SystemPackage

/// Makes and checks file handles: what a client hands back was made here, for one export, or is refused.
///
/// A kernel handle names any inode of the file system, also one outside the export. So every handle carries a message
/// authentication code, whose key no client knows.
///
///     1 byte   layout, 1
///     4 bytes  export
///     1 byte   which strategy the object part is of
///     n bytes  object, as its strategy has it: at most 42
///    16 bytes  HMAC-SHA256 of all that, truncated (RFC 2104 section 5)
struct HandleSeal: Sendable {
    static let keyLength = 32
    static let objectLimit = FileHandle.limit - 6 - macLength
    private static let macLength = 16

    private let key: ccrypto_hmac_key

    /// What a handle says, once its code was found right.
    struct Contents: Hashable {
        let export: UInt32
        let strategy: UInt8
        let object: [UInt8]
    }

    /// - Parameter stateFile: where the key is kept, so that handles last across restarts; it is made when it is not
    ///   there. Nil: a key that lasts as long as the process.
    /// - Throws: ``SystemError`` where the file can be neither read nor made; EINVAL where it is no key.
    init(stateFile: String?) throws(SystemError) {
        var key = [UInt8](repeating: 0, count: Self.keyLength)
        guard RAND_bytes(&key, Int32(Self.keyLength)) == 1 else { throw SystemError("RAND_bytes", .ioError) }
        if let stateFile { key = try Self.kept(in: stateFile, orMake: key) }
        self.init(key: key)
    }

    /// - Parameter key: at most 64 bytes.
    init(key: [UInt8]) {
        var state = ccrypto_hmac_key()
        // The key is this server's own, of a length that fits: so libcrypto lacks SHA-256, and no handle can be sealed.
        guard ccrypto_hmac_key_set(&state, key, key.count) == 1 else { fatalError("SHA-256 failed") }
        self.key = state
    }

    private static func kept(in path: String, orMake new: [UInt8]) throws(SystemError) -> [UInt8] {
        do throws(SystemError) {
            // Written aside and linked into place: a second server that starts now finds all of a key or none.
            let temporary = "\(path).\(getpid())"
            let made = try Files.open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, mode: 0o600)
            defer { unlink(temporary) }
            try Files.write(made.raw, new, at: 0)
            try systemCall("fsync", on: path) { fsync(made.raw) }
            try systemCall("link", on: path) { link(temporary, path) }
            return new
        } catch {
            guard error.errno == .fileExists || access(path, F_OK) == 0 else { throw error.on(path) }
        }
        let file = try Files.open(path, O_RDONLY | O_NOFOLLOW)
        let key = try Files.read(file.raw, count: keyLength + 1, at: 0)
        guard key.count == keyLength else { throw SystemError("read", .invalidArgument, on: path) }
        return key
    }

    /// The number of an export, by what it is called and what it is.
    func number(of text: String) -> UInt32 {
        mac(Array("export \(text)".utf8)).prefix(4).reduce(0) { $0 << 8 | UInt32($1) }
    }

    /// 16 bytes that no client knows, for another purpose than handles; they last as long as the key does.
    func secret(for purpose: String) -> [UInt8] { mac(Array("secret \(purpose)".utf8)) }

    /// - Returns: nil where the object has more than ``objectLimit`` bytes.
    func seal(export: UInt32, strategy: UInt8, object: [UInt8]) -> FileHandle? {
        guard object.count <= Self.objectLimit else { return nil }
        let length = 6 + object.count
        // A listing seals a handle for each of its entries: one allocation, and nothing copied twice.
        let bytes = [UInt8](unsafeUninitializedCapacity: length + Self.macLength) { space, count in
            let bytes = UnsafeMutableRawBufferPointer(space)
            bytes[0] = 1
            bytes.storeBytes(of: export.bigEndian, toByteOffset: 1, as: UInt32.self)
            bytes[5] = strategy
            object.withUnsafeBytes { UnsafeMutableRawBufferPointer(rebasing: bytes[6...]).copyMemory(from: $0) }
            mac(UnsafeRawBufferPointer(rebasing: bytes[..<length])) { mac in
                UnsafeMutableRawBufferPointer(rebasing: bytes[length...]).copyMemory(from: mac)
            }
            count = length + Self.macLength
        }
        return FileHandle(bytes)
    }

    /// - Returns: nil where it was not made with this key.
    func open(_ handle: FileHandle) -> Contents? {
        let bytes = handle.bytes
        guard bytes.count >= 6 + Self.macLength, bytes.count <= FileHandle.limit, bytes[0] == 1 else { return nil }
        let body = bytes.dropLast(Self.macLength)
        let isOurs = bytes.withUnsafeBytes { bytes in
            mac(UnsafeRawBufferPointer(rebasing: bytes[..<body.endIndex])) { mac in
                CRYPTO_memcmp(mac.baseAddress, bytes.baseAddress.map { $0 + body.endIndex }, Self.macLength) == 0
            }
        }
        guard isOurs else { return nil }
        let export = body[1...4].reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
        return Contents(export: export, strategy: body[5], object: Array(body.dropFirst(6)))
    }

    /// The first 16 bytes of HMAC-SHA256.
    func mac(_ bytes: [UInt8]) -> [UInt8] { bytes.withUnsafeBytes { mac($0) { Array($0) } } }

    private func mac<R>(_ bytes: UnsafeRawBufferPointer, _ body: (UnsafeRawBufferPointer) -> R) -> R {
        withUnsafeTemporaryAllocation(byteCount: Int(SHA256_DIGEST_LENGTH), alignment: 8) { digest in
            let done = withUnsafePointer(to: key) {
                ccrypto_hmac(
                    $0, bytes.baseAddress, bytes.count, digest.baseAddress?.assumingMemoryBound(to: UInt8.self))
            }
            // libcrypto lacks SHA-256: no handle could be told from a forged one.
            guard done == 1 else { fatalError("HMAC-SHA256 failed") }
            return body(UnsafeRawBufferPointer(rebasing: digest[..<Self.macLength]))
        }
    }
}

extension FixedWidthInteger {
    /// Most significant byte first.
    var bigEndianBytes: [UInt8] { withUnsafeBytes(of: bigEndian) { Array($0) } }

    /// Of exactly as many bytes as the type has.
    init?(bigEndianBytes bytes: some Collection<UInt8>) {
        guard bytes.count == MemoryLayout<Self>.size else { return nil }
        self = bytes.reduce(0) { $0 << 8 | Self(truncatingIfNeeded: $1) }
    }
}
