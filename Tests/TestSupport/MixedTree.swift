import Glibc

/// A tree with some of everything, whose files have contents in numbered versions: whoever finds one can tell which
/// version it is, and whether it is a whole one.
package struct MixedTree: Sendable {
    package struct Shape: Sendable {
        /// Of up to 24 KiB.
        package var smallFiles = 120
        package var emptyFiles = 6
        package var bigFiles = 3
        /// The largest of them in bytes; the others have less.
        package var bigSize = 4 << 20
        /// Directories in each other.
        package var depth = 12
        package var hardLinks = 4
        /// Of ``bigSize`` bytes with 64 KiB of data at three places.
        package var sparseFiles = 1

        package init() {}
    }

    /// A regular file and its versions.
    package struct File: Sendable {
        /// From the top of the tree.
        package let path: RawPath
        package let index: Int
        package let kind: Kind
        package enum Kind: Sendable { case empty, small, big, sparse }
    }

    package let shape: Shape
    package let directories: [RawPath]
    package let files: [File]
    /// Path and text of symbolic links, which have two versions.
    package let links: [(path: RawPath, texts: [String])]
    /// A further name and the file's.
    package let hardLinks: [(path: RawPath, file: RawPath)]

    package init(_ shape: Shape = Shape()) {
        self.shape = shape
        var directories: [RawPath] = ["wörter und mehr", "-dash", "empty", "deep"]
        for _ in 1..<max(1, shape.depth) { directories.append((directories.last ?? "deep").appending("d")) }
        let homes = [RawPath("")] + directories.filter { $0 != "empty" }
        func home(_ index: Int) -> RawPath { homes[index % homes.count] }

        var files: [File] = []
        func add(_ count: Int, _ kind: File.Kind, _ name: (Int) -> RawPath) {
            for number in 0..<count {
                files.append(File(path: home(number).appending(name(number)), index: files.count, kind: kind))
            }
        }
        add(shape.smallFiles, .small) { Self.name(for: $0) }
        add(shape.emptyFiles, .empty) { RawPath("empty \($0)") }
        add(shape.bigFiles, .big) { RawPath("big\($0).img") }
        add(shape.sparseFiles, .sparse) { RawPath("sparse\($0)") }
        self.directories = directories
        self.files = files
        links = [
            ("link", ["deep/d", "big0.img"]), ("deep/dangling", ["/nowhere/at all", "nowhere"]),
            ("deep/d/up", ["..", "../.."]), ("wörter und mehr/лінк", ["ä", "ö"]),
        ]
        hardLinks = files.filter { $0.kind == .small }.prefix(shape.hardLinks).enumerated().map {
            (home($0.offset + 3).appending(RawPath("another name of \($0.offset)")), $0.element.path)
        }
    }

    /// Names that programs get wrong: what no shell likes, what is no UTF-8, what is as long as it may be.
    private static func name(for number: Int) -> RawPath {
        switch number {
        case 0: RawPath([0x62, 0xff, 0xfe, 0x64])
        case 1: RawPath("new\nline and\ttab\u{1b}[31m")
        case 2: RawPath(String(repeating: "n", count: 255))
        case 3: RawPath(".hidden")
        case 4: RawPath("*?[a]'\"\\ $HOME")
        case 5: RawPath(" ")
        case 6: RawPath("-rf")
        case 7: RawPath(".nearly.xfer.")
        default: RawPath("f\(number).dat")
        }
    }

    // MARK: - Contents

    /// Bytes of a version. Every fourth file has the same size in all of them.
    package func size(of file: File, _ version: Int) -> Int {
        let varies = file.index % 4 == 0 ? 0 : version
        var random = RandomNumbers(seed: UInt64(file.index) << 20 | UInt64(varies))
        switch file.kind {
        case .empty: return 0
        case .small: return Int.random(in: 1...(24 << 10), using: &random)
        case .big: return max(shape.bigSize - file.index % 3 * (shape.bigSize / 4) - varies % 5 * 4099, 1)
        case .sparse: return shape.bigSize
        }
    }

    /// Random bytes, from which contents are cut: making each of them would take a test's time.
    private static let bytes = pattern((9 << 20) + 4096, seed: 77)

    package func content(of file: File, _ version: Int) -> [UInt8] {
        let size = size(of: file, version)
        let start = (file.index &* 6007 &+ version &* 7919) % (Self.bytes.count - min(size, Self.bytes.count - 1))
        if file.kind == .sparse {
            var content = [UInt8](repeating: 0, count: size)
            for range in Self.dataRanges(size) {
                content.replaceSubrange(range, with: Self.bytes[start..<(start + range.count)])
            }
            return content
        }
        // What it is stands before what it is made of.
        let label = Array("\(file.index) version \(version)\n".utf8).prefix(size)
        return Array(label) + Self.bytes[start..<(start + size - label.count)]
    }

    /// Where a sparse file of so many bytes has data.
    private static func dataRanges(_ size: Int) -> [Range<Int>] {
        let piece = min(size, 64 << 10)
        return [size / 8, size / 2, size - piece].map { start in start..<min(size, start + piece) }
    }

    // MARK: - On disk

    /// Makes the directories, with modes and times of their own by ``finish(_:)``.
    package func makeDirectories(in root: RawPath) throws {
        for path in [RawPath("")] + directories {
            let made = root.appending(path).withCString { mkdir($0, 0o755) }
            guard made == 0 || errno == EEXIST else { throw Unexpected("mkdir \(path): errno \(errno)") }
        }
    }

    /// Puts a version of a file there, with a mode and times of its own; what is there is replaced.
    package func write(_ file: File, _ version: Int, in root: RawPath) throws {
        let path = root.appending(file.path)
        let content = content(of: file, version)
        try path.withCString { name in
            unlink(name)
            let raw = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
            guard raw >= 0 else { throw Unexpected("\(path): errno \(errno)") }
            defer { close(raw) }
            let pieces = file.kind == .sparse ? Self.dataRanges(content.count) : [0..<content.count]
            for piece in pieces where !piece.isEmpty {
                var at = piece.lowerBound
                while at < piece.upperBound {
                    let count = content.withUnsafeBytes {
                        pwrite(raw, $0.baseAddress.map { $0 + at }, piece.upperBound - at, off_t(at))
                    }
                    guard count > 0 else { throw Unexpected("\(path): errno \(errno)") }
                    at += count
                }
            }
            fchmod(raw, [0o644, 0o600, 0o755, 0o440][file.index % 4])
            let times = Self.times(file.index, version)
            futimens(raw, times)
        }
    }

    /// Puts the symbolic links there, in place of others.
    package func writeLinks(_ version: Int, in root: RawPath) throws {
        for link in links {
            let path = root.appending(link.path)
            let made = path.withCString { path in
                unlink(path)
                return symlink(link.texts[version % link.texts.count], path)
            }
            guard made == 0 else { throw Unexpected("symlink \(path): errno \(errno)") }
        }
    }

    package func writeHardLinks(in root: RawPath) throws {
        for (path, file) in hardLinks {
            let made = root.appending(file).withCString { file in
                root.appending(path).withCString { path in
                    unlink(path)
                    return link(file, path)
                }
            }
            guard made == 0 else { throw Unexpected("link \(path): errno \(errno)") }
        }
    }

    /// Modes and times of the directories, which change with all that is done in them.
    package func finish(_ root: RawPath) {
        for (index, path) in ([RawPath("")] + directories).enumerated().reversed() {
            root.appending(path).withCString { path in
                chmod(path, index % 3 == 1 ? 0o750 : 0o755)
                utimensat(AT_FDCWD, path, Self.times(index, 0), 0)
            }
        }
    }

    /// All of it.
    package func build(_ version: Int = 0, in root: RawPath) throws {
        try makeDirectories(in: root)
        for file in files { try write(file, version, in: root) }
        try writeLinks(version, in: root)
        try writeHardLinks(in: root)
        finish(root)
    }

    /// Access and modification time, to the nanosecond.
    private static func times(_ index: Int, _ version: Int) -> [timespec] {
        [
            timespec(tv_sec: 1_000_000_000 + version, tv_nsec: 1),
            timespec(tv_sec: 1_100_000_000 + index * 1000 + version, tv_nsec: 123_456_789 + index),
        ]
    }
}
