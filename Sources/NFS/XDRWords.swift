/// XDR (RFC 4506) of what a message has hundreds of: entries of listings, small files. By hand: each has some thirty words,
/// and libtirpc calls a function for each word and allocates each name, handle and data besides.
struct XDRWordWriter: ~Copyable {
    private let space: UnsafeMutableRawBufferPointer
    private(set) var position = 0
    /// False where something did not fit: what was written is of no use then.
    private(set) var fits = true

    init(_ space: UnsafeMutableRawBufferPointer) { self.space = space }

    /// What `body` writes.
    ///
    /// - Parameter most: bytes it may be.
    static func bytes(
        most: Int, _ body: (inout XDRWordWriter) -> Void
    ) throws(XDREncodingError) -> [UInt8] {
        var fits = false
        let bytes = [UInt8](unsafeUninitializedCapacity: most) { space, count in
            var writer = XDRWordWriter(
                UnsafeMutableRawBufferPointer(rebasing: UnsafeMutableRawBufferPointer(space)[..<most]))
            body(&writer)
            (fits, count) = (writer.fits, writer.position)
        }
        guard fits else { throw XDREncodingError() }
        return bytes
    }

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

    /// Opaque data that is put in its place by somebody else.
    ///
    /// - Parameters:
    ///   - most: bytes it may have.
    ///   - fill: puts it there, and returns how many bytes it has.
    @inline(__always)
    mutating func put<E: Error>(
        most: Int, _ fill: (UnsafeMutableRawBufferPointer) throws(E) -> Int
    ) throws(E) {
        let start = position
        guard let length = room(4), let place = room((most + 3) & ~3) else { return }
        let count = max(0, min(most, try fill(UnsafeMutableRawBufferPointer(start: place, count: most))))
        length.storeBytes(of: UInt32(truncatingIfNeeded: count).bigEndian, as: UInt32.self)
        let padded = (count + 3) & ~3
        for index in count..<padded { place.storeBytes(of: 0, toByteOffset: index, as: UInt8.self) }
        position = start + 4 + padded
    }

    /// Forgets what was written behind a ``position``.
    mutating func goBack(to earlier: Int) { position = min(position, earlier) }

    /// A word that was written before gets another value.
    mutating func change(at earlier: Int, to word: UInt32) {
        guard earlier >= 0, earlier + 4 <= position else { return }
        space.storeBytes(of: word.bigEndian, toByteOffset: earlier, as: UInt32.self)
    }

    /// nfs_fh3
    mutating func put(_ handle: FileHandle) {
        handle.bytes.withUnsafeBytes { put($0, most: FileHandle.limit) }
    }

    /// post_op_attr
    mutating func put(_ attributes: FileAttributes?) {
        put(attributes != nil)
        if let attributes { put(attributes) }
    }

    /// sattr3
    mutating func put(_ attributes: SetAttributes) {
        for word in [attributes.mode, attributes.uid, attributes.gid] {
            put(word != nil)
            if let word { put(word) }
        }
        put(attributes.size != nil)
        if let size = attributes.size { put(size) }
        for time in [attributes.accessTime, attributes.modificationTime] {
            switch time {
            case nil: put(0 as UInt32)
            case .now: put(1 as UInt32)
            case .at(let time):
                put(2 as UInt32)
                put(time)
            }
        }
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
struct XDRWordReader {
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

    /// Where opaque data is.
    mutating func range(most: Int) -> Range<Int>? {
        let start = position + 4
        return opaque(most: most).map { start..<(start + $0.count) }
    }

    /// nfs_fh3
    mutating func handle() -> FileHandle? { opaque(most: FileHandle.limit).flatMap { FileHandle(Array($0)) } }

    /// filename3
    mutating func name() -> FileName? { opaque(most: FileName.wireLimit).map { FileName($0) } }

    /// post_op_attr; nil within it where there are none.
    mutating func optionalAttributes() -> FileAttributes?? {
        guard let follows = bool() else { return nil }
        return follows ? attributes().map { .some($0) } : .some(nil)
    }

    /// sattr3
    mutating func setAttributes() -> SetAttributes? {
        guard let mode = optional({ $0.word() }), let uid = optional({ $0.word() }), let gid = optional({ $0.word() }),
            let size = optional({ $0.hyper() }), let access = setTime(), let modification = setTime()
        else { return nil }
        return SetAttributes(
            mode: mode, uid: uid, gid: gid, size: size, accessTime: access, modificationTime: modification)
    }

    private mutating func optional<Value>(_ value: (inout XDRWordReader) -> Value?) -> Value?? {
        guard let isSet = bool() else { return nil }
        return isSet ? value(&self).map { .some($0) } : .some(nil)
    }

    private mutating func setTime() -> SetAttributes.Time?? {
        switch word() {
        case 0: .some(nil)
        case 1: .some(.now)
        case 2: time().map { .some(.at($0)) }
        default: nil
        }
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
