import Glibc
import TestSupport

/// Does to one file what programs do to files, at random, and compares it all the time with a model of it in memory.
///
/// It reads and writes by read(2), write(2), by maps and past the cache (O_DIRECT), truncates up and down, syncs, opens
/// anew and drops pages, so that what is read has been to the server. The same seed does the same things.
struct RandomFileChecker: ~Copyable {
    let path: String
    /// Operations done so far.
    private(set) var operations = 0
    private let limit: Int
    private let direct: Bool
    /// Pages that a map made dirty may be there.
    private var isMappedDirty = false
    private var random: RandomNumbers
    private var model: [UInt8] = []
    private var file: Int32
    /// The last few operations, for the message.
    private var history: [String] = []

    /// - Parameters:
    ///   - path: made anew.
    ///   - limit: bytes that the file has at most.
    ///   - direct: whether to read and write past the cache too: NFS takes any range for that, ext4 whole blocks alone.
    init(_ path: String, seed: UInt64, limit: Int = 512 << 10, direct: Bool = true) throws {
        self.path = path
        self.direct = direct
        self.limit = limit
        random = RandomNumbers(seed: seed)
        file = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
        guard file >= 0 else { throw Unexpected("open \(path): errno \(errno)") }
    }

    deinit { close(file) }

    /// One operation.
    ///
    /// - Throws: ``Unexpected`` with the last operations, where the file is not what it has to be or a call failed.
    mutating func step() throws {
        operations += 1
        switch UInt64.random(in: 0..<100, using: &random) {
        case 0..<28: try writeSome()
        case 28..<58: try readSome()
        case 58..<68: try writeMapped()
        case 68..<78: try readMapped()
        case 78..<83: try resize(to: Int.random(in: 0...model.count, using: &random))
        case 83..<88: try resize(to: Int.random(in: model.count...limit, using: &random))
        case 88..<91: try direct ? writeDirect() : writeSome()
        case 91..<94: try direct ? readDirect() : readSome()
        case 94..<96: try synchronize()
        case 96..<98: try reopen()
        default: try dropPages()
        }
    }

    /// Reads the whole file, from the server and not from pages that are there.
    mutating func readBack() throws {
        try reopen()
        try dropPages()
        let file = file
        try compare(0, model.count, "last read") { pread(file, $0, $1, $2) }
    }

    // MARK: - Ranges

    /// Half of them small, with edges everywhere; half of them up to a quarter of the file.
    private mutating func length() -> Int {
        Int.random(in: 1...(Bool.random(using: &random) ? 3000 : limit / 4), using: &random)
    }

    /// Where a write may go: also beyond the end, which leaves a hole.
    private mutating func writeRange() -> (offset: Int, bytes: [UInt8]) {
        let count = length()
        let offset = Int.random(in: 0...min(limit - count, model.count + 20_000), using: &random)
        return (offset, pattern(count, seed: random.next()))
    }

    /// Something that is there; nil of an empty file.
    private mutating func readRange() -> (offset: Int, count: Int)? {
        guard !model.isEmpty else { return nil }
        let offset = Int.random(in: 0..<model.count, using: &random)
        return (offset, min(length(), model.count - offset))
    }

    // MARK: - Operations

    private mutating func writeSome() throws {
        let (offset, bytes) = writeRange()
        note("write \(bytes.count) at \(offset)")
        try put(bytes, at: offset, on: file)
    }

    private mutating func readSome() throws {
        guard let (offset, count) = readRange() else { return }
        note("read \(count) at \(offset)")
        let file = file
        try compare(offset, count, "read") { pread(file, $0, $1, $2) }
    }

    /// Through a descriptor of its own: what is cached must go to the server before, and be forgotten after.
    private mutating func writeDirect() throws {
        let (offset, bytes) = writeRange()
        note("direct write \(bytes.count) at \(offset)")
        let direct = try openedDirect(O_WRONLY)
        defer { close(direct) }
        try put(bytes, at: offset, on: direct)
    }

    private mutating func readDirect() throws {
        guard let (offset, count) = readRange() else { return }
        note("direct read \(count) at \(offset)")
        let direct = try openedDirect(O_RDONLY)
        defer { close(direct) }
        try compare(offset, count, "direct read") { pread(direct, $0, $1, $2) }
    }

    private mutating func writeMapped() throws {
        guard let (offset, count) = readRange() else { return }
        let bytes = pattern(count, seed: random.next())
        let flushes = Bool.random(using: &random)
        note("mapped write \(count) at \(offset)\(flushes ? " and msync" : "")")
        try mapped(offset, count, PROT_READ | PROT_WRITE) { map, start in
            UnsafeMutableRawBufferPointer(rebasing: map[start...]).copyBytes(from: bytes)
            guard !flushes || msync(map.baseAddress, map.count, MS_SYNC) == 0 else { throw failure("msync") }
        }
        model.replaceSubrange(offset..<(offset + count), with: bytes)
        isMappedDirty = true
    }

    private mutating func readMapped() throws {
        guard let (offset, count) = readRange() else { return }
        note("mapped read \(count) at \(offset)")
        try mapped(offset, count, PROT_READ) { map, start in
            try check(UnsafeRawBufferPointer(rebasing: map[start..<(start + count)]), offset, "mapped read")
        }
    }

    private mutating func resize(to count: Int) throws {
        note("truncate \(model.count) to \(count)")
        guard ftruncate(file, count) == 0 else { throw failure("ftruncate") }
        setModel(count)
        var status = stat()
        guard fstat(file, &status) == 0 else { throw failure("fstat") }
        guard status.st_size == count else { throw failure("size \(status.st_size) after truncate to \(count)", 0) }
    }

    private mutating func synchronize() throws {
        note("fsync")
        guard fsync(file) == 0 else { throw failure("fsync") }
        isMappedDirty = false
    }

    private mutating func reopen() throws {
        note("close and open")
        // close(2) of a file on NFS writes what is left, and says what became of it.
        guard close(file) == 0 else { throw failure("close") }
        file = try opened(O_RDWR)
    }

    private mutating func dropPages() throws {
        note("drop pages")
        try synchronize()
        posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED)
    }

    // MARK: - Parts of them

    /// open(2) warns of O_DIRECT beside maps: the client writes their pages back only when it begins with direct I/O, not
    /// between two of them.
    private mutating func openedDirect(_ flags: Int32) throws -> Int32 {
        if isMappedDirty { try synchronize() }
        let pastTheCache: Int32 = 0o40000  // O_DIRECT
        return try opened(flags | pastTheCache)
    }

    private func opened(_ flags: Int32) throws -> Int32 {
        let file = open(path, flags | O_CLOEXEC)
        guard file >= 0 else { throw failure("open") }
        return file
    }

    private mutating func put(_ bytes: [UInt8], at offset: Int, on file: Int32) throws {
        var at = 0
        while at < bytes.count {
            let count = bytes.withUnsafeBytes {
                pwrite(file, $0.baseAddress.map { $0 + at }, bytes.count - at, off_t(offset + at))
            }
            guard count > 0 else { throw failure("pwrite") }
            at += count
        }
        if model.count < offset + bytes.count { setModel(offset + bytes.count) }
        model.replaceSubrange(offset..<(offset + bytes.count), with: bytes)
    }

    private mutating func setModel(_ count: Int) {
        if count < model.count {
            model.removeLast(model.count - count)
        } else {
            model.append(contentsOf: repeatElement(0, count: count - model.count))
        }
    }

    private func compare(
        _ offset: Int, _ count: Int, _ what: String, _ read: (UnsafeMutableRawPointer?, Int, off_t) -> Int
    ) throws {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: max(1, count), alignment: 4096)
        defer { buffer.deallocate() }
        var at = 0
        while at < count {
            let got = read(buffer.baseAddress.map { $0 + at }, count - at, off_t(offset + at))
            guard got > 0 else { throw failure("\(what) gave \(got) at \(offset + at)") }
            at += got
        }
        try check(UnsafeRawBufferPointer(rebasing: buffer[..<count]), offset, what)
    }

    private func check(_ found: UnsafeRawBufferPointer, _ offset: Int, _ what: String) throws {
        try model.withUnsafeBytes { model in
            let wanted = UnsafeRawBufferPointer(rebasing: model[offset..<(offset + found.count)])
            // Not by elements, of which there are hundreds of millions in all.
            guard let (mine, theirs) = both(found.baseAddress, wanted.baseAddress),
                memcmp(mine, theirs, found.count) != 0
            else { return }
            let wrong = found.indices.filter { found[$0] != wanted[$0] }
            guard let first = wrong.first, let last = wrong.last else { return }
            throw failure(
                "\(what) of \(found.count) at \(offset): \(wrong.count) bytes are wrong, from \(offset + first) to "
                    + "\(offset + last); \(found[first]) and not \(wanted[first])", 0)
        }
    }

    /// Maps whole pages around a range.
    private func mapped(
        _ offset: Int, _ count: Int, _ protection: Int32, _ body: (UnsafeMutableRawBufferPointer, Int) throws -> Void
    ) throws {
        let start = offset % 4096
        let map = mmap(nil, start + count, protection, MAP_SHARED, file, off_t(offset - start))
        guard let map, map != MAP_FAILED else { throw failure("mmap") }
        defer { munmap(map, start + count) }
        try body(UnsafeMutableRawBufferPointer(start: map, count: start + count), start)
    }

    private mutating func note(_ operation: String) {
        if history.count == 12 { history.removeFirst() }
        history.append(operation)
    }

    private func failure(_ what: String, _ number: Int32 = errno) -> Unexpected {
        Unexpected(
            "\(path), operation \(operations): \(what)\(number == 0 ? "" : ": \(String(cString: strerror(number)))"); "
                + "the last ones, of a file of \(model.count) bytes: \(history.joined(separator: "; "))")
    }
}

private func both<T>(_ a: T?, _ b: T?) -> (T, T)? {
    guard let a, let b else { return nil }
    return (a, b)
}
