/// XDR (RFC 4506) of what the entries of listings are made of. By hand: a listing has hundreds of entries in a message, each
/// of thirty words, and libtirpc calls a function for each word and allocates each name and handle besides.
struct ListingWriter: ~Copyable {
    private let space: UnsafeMutableRawBufferPointer
    private(set) var position = 0
    /// False where something did not fit: what was written is of no use then.
    private(set) var fits = true

    init(_ space: UnsafeMutableRawBufferPointer) { self.space = space }

    @inline(__always)
    private mutating func room(_ count: Int) -> UnsafeMutableRawPointer? {
        guard fits, count <= space.count - position, let base = space.baseAddress else {
            fits = false
            return nil
        }
        defer { position += count }
        return base + position
    }

    @inline(__always)
    mutating func put(_ word: UInt32) { room(4)?.storeBytes(of: word.bigEndian, as: UInt32.self) }
    @inline(__always)
    mutating func put(_ hyper: UInt64) { room(8)?.storeBytes(of: hyper.bigEndian, as: UInt64.self) }
    @inline(__always)
    mutating func put(_ bool: Bool) { put(bool ? 1 : 0 as UInt32) }

    /// Opaque data of variable length (RFC 4506 section 4.10).
    @inline(__always)
    mutating func put(_ bytes: UnsafeRawBufferPointer, most: Int) {
        guard bytes.count <= most else { return fits = false }
        put(UInt32(truncatingIfNeeded: bytes.count))
        let padded = (bytes.count + 3) & ~3
        guard let place = room(padded) else { return }
        if padded > 0 { (place + padded - 4).storeBytes(of: 0, as: UInt32.self) }
        if let base = bytes.baseAddress { place.copyMemory(from: base, byteCount: bytes.count) }
    }

    /// fattr3
    @inline(__always)
    mutating func put(_ attributes: FileAttributes) {
        put(attributes.type.rawValue)
        put(attributes.mode)
        put(attributes.linkCount)
        put(attributes.uid)
        put(attributes.gid)
        put(attributes.size)
        put(attributes.used)
        put(attributes.deviceMajor)
        put(attributes.deviceMinor)
        put(attributes.fileSystem)
        put(attributes.fileID)
        put(attributes.accessTime)
        put(attributes.modificationTime)
        put(attributes.changeTime)
    }

    @inline(__always)
    private mutating func put(_ time: NFSTime) {
        put(time.seconds)
        put(time.nanoseconds)
    }
}

/// The other way round: nil where the bytes that are left are no such value.
struct ListingReader {
    private let bytes: UnsafeRawBufferPointer
    private(set) var position = 0

    init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

    @inline(__always)
    private mutating func take(_ count: Int) -> UnsafeRawPointer? {
        guard count <= bytes.count - position, let base = bytes.baseAddress else { return nil }
        defer { position += count }
        return base + position
    }

    @inline(__always)
    mutating func word() -> UInt32? { take(4).map { UInt32(bigEndian: $0.loadUnaligned(as: UInt32.self)) } }
    @inline(__always)
    mutating func hyper() -> UInt64? { take(8).map { UInt64(bigEndian: $0.loadUnaligned(as: UInt64.self)) } }

    /// RFC 4506 section 4.4 knows only 0 and 1.
    @inline(__always)
    mutating func bool() -> Bool? {
        guard let word = word(), word <= 1 else { return nil }
        return word == 1
    }

    /// - Parameter most: bytes it may have.
    @inline(__always)
    mutating func opaque(most: Int) -> UnsafeRawBufferPointer? {
        guard let length = word(), length <= most else { return nil }
        return take((Int(length) + 3) & ~3).map { UnsafeRawBufferPointer(start: $0, count: Int(length)) }
    }

    /// fattr3
    @inline(__always)
    mutating func attributes() -> FileAttributes? {
        guard FileAttributes.encodedLength <= bytes.count - position, let type = word(), let mode = word(),
            let links = word(), let uid = word(), let gid = word(), let size = hyper(), let used = hyper(),
            let major = word(), let minor = word(), let fileSystem = hyper(), let fileID = hyper(),
            let access = time(), let modification = time(), let change = time()
        else { return nil }
        return FileAttributes(
            type: FileType(rawValue: type), mode: mode, linkCount: links, uid: uid, gid: gid, size: size, used: used,
            deviceMajor: major, deviceMinor: minor, fileSystem: fileSystem, fileID: fileID, accessTime: access,
            modificationTime: modification, changeTime: change)
    }

    @inline(__always)
    private mutating func time() -> NFSTime? {
        guard let seconds = word(), let nanoseconds = word() else { return nil }
        return NFSTime(seconds: seconds, nanoseconds: nanoseconds)
    }
}
