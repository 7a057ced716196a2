package import Glibc

/// Two trees beside each other.
package enum TreeComparison {
    /// What has to be the same besides names, types, contents and texts of links.
    package struct Aspects: OptionSet, Sendable {
        package let rawValue: Int
        package init(rawValue: Int) { self.rawValue = rawValue }
        package static let modes = Aspects(rawValue: 1)
        /// Modification times, to the nanosecond; not of symbolic links.
        package static let times = Aspects(rawValue: 2)
        package static let linkTimes = Aspects(rawValue: 4)
        /// Which names are one file.
        package static let hardLinks = Aspects(rawValue: 8)
        /// A file with fewer blocks than its size has as few in the other tree, or nearly.
        package static let holes = Aspects(rawValue: 16)
        package static let owners = Aspects(rawValue: 32)
    }

    /// - Returns: what differs, one line for each, at most 12 of them; empty where nothing does.
    package static func differences(
        _ left: RawPath, _ right: RawPath, _ aspects: Aspects = [.modes, .times]
    ) throws -> [String] {
        let (mine, theirs) = (try entries(of: left), try entries(of: right))
        var lines: [String] = []
        for path in Set(mine.keys).union(theirs.keys).sorted(by: precedes) {
            guard lines.count < 12 else { break }
            switch (mine[path], theirs[path]) {
            case (let one?, nil): lines.append("\(path): only in \(left), \(one.kind)")
            case (nil, let other?): lines.append("\(path): only in \(right), \(other.kind)")
            case (let one?, let other?):
                lines += differences(one, other, aspects).map { "\(path): \($0)" }
                if one.kind == .file, other.kind == .file, one.status.st_size == other.status.st_size,
                    let offset = try firstDifference(left.appending(path), right.appending(path))
                {
                    lines.append("\(path): not the same from byte \(offset) on")
                }
            case (nil, nil): break
            }
        }
        return lines
    }

    /// What xfer has left of copies that it did not finish, from the tree's top.
    package static func temporaries(in root: RawPath) throws -> [String] {
        try entries(of: root).keys.filter { isTemporary($0) }.map(\.description).sorted()
    }

    /// Whether it is called as unfinished copies are: `.NAME.TAG.xfer`.
    package static func isTemporary(_ path: RawPath) -> Bool {
        let name = path.name.bytes
        return name.starts(with: ".".utf8) && name.suffix(5).elementsEqual(".xfer".utf8)
    }

    private static func precedes(_ one: RawPath, _ other: RawPath) -> Bool {
        one.bytes.lexicographicallyPrecedes(other.bytes)
    }

    // MARK: - One tree

    package enum Kind: Sendable { case file, directory, link, other }

    package struct Entry {
        package let kind: Kind
        package let status: stat
        /// Of a symbolic link.
        let text: RawPath?
        /// The first name of the file, by bytes; nil where it has one.
        var firstName: RawPath?
    }

    /// All that is in a tree, the top itself as the empty path.
    package static func entries(of root: RawPath) throws -> [RawPath: Entry] {
        var all: [RawPath: Entry] = [:]
        try walk(root, RawPath(""), &all)
        var names: [FileNumber: [RawPath]] = [:]
        for (path, entry) in all where entry.kind == .file && entry.status.st_nlink > 1 {
            names[FileNumber(device: entry.status.st_dev, inode: entry.status.st_ino), default: []].append(path)
        }
        for paths in names.values where paths.count > 1 {
            let first = paths.min(by: precedes)
            for path in paths { all[path]?.firstName = first }
        }
        return all
    }

    private struct FileNumber: Hashable {
        let device: dev_t
        let inode: ino_t
    }

    private static func walk(_ root: RawPath, _ path: RawPath, _ all: inout [RawPath: Entry]) throws {
        let whole = root.appending(path)
        var status = stat()
        // Gone since its directory was read: what is compared may be in use.
        guard whole.withCString({ lstat($0, &status) }) == 0 else {
            if errno == ENOENT && !path.isEmpty { return }
            throw Unexpected("\(whole): errno \(errno)")
        }
        switch status.st_mode & S_IFMT {
        case S_IFREG: all[path] = Entry(kind: .file, status: status, text: nil)
        case S_IFLNK: all[path] = Entry(kind: .link, status: status, text: linkText(whole))
        case S_IFDIR:
            all[path] = Entry(kind: .directory, status: status, text: nil)
            for name in try components(of: whole) { try walk(root, path.appending(name), &all) }
        default: all[path] = Entry(kind: .other, status: status, text: nil)
        }
    }

    /// readlink(2)
    package static func linkText(_ path: RawPath) -> RawPath? {
        var text = [CChar](repeating: 0, count: Int(PATH_MAX) + 1)
        let count = path.withCString { readlink($0, &text, text.count - 1) }
        return count < 0 ? nil : RawPath(text.prefix(count).map { UInt8(bitPattern: $0) })
    }

    /// The names in a directory but `.` and `..`, as the bytes they are.
    package static func components(of directory: RawPath) throws -> [RawPath] {
        guard let listing = directory.withCString({ opendir($0) }) else {
            throw Unexpected("\(directory): errno \(errno)")
        }
        defer { closedir(listing) }
        var names: [RawPath] = []
        while let entry = readdir(listing) {
            let name = withUnsafeBytes(of: entry.pointee.d_name) { Array($0.prefix { $0 != 0 }) }
            if name != Array(".".utf8) && name != Array("..".utf8) { names.append(RawPath(name)) }
        }
        return names
    }

    // MARK: - Two entries

    private static func differences(_ one: Entry, _ other: Entry, _ aspects: Aspects) -> [String] {
        guard one.kind == other.kind else { return ["\(one.kind) and \(other.kind)"] }
        var found: [String] = []
        func compare<T: Equatable>(_ what: String, _ one: T, _ other: T) {
            if one != other { found.append("\(what) \(one) and \(other)") }
        }
        let (mine, theirs) = (one.status, other.status)
        if one.kind == .file { compare("size", mine.st_size, theirs.st_size) }
        compare("text", one.text, other.text)
        if aspects.contains(.modes), one.kind != .link {
            compare("mode", String(mine.st_mode & 0o7777, radix: 8), String(theirs.st_mode & 0o7777, radix: 8))
        }
        if aspects.contains(one.kind == .link ? .linkTimes : .times) {
            compare("seconds", mine.st_mtim.tv_sec, theirs.st_mtim.tv_sec)
            compare("nanoseconds", mine.st_mtim.tv_nsec, theirs.st_mtim.tv_nsec)
        }
        if aspects.contains(.owners) {
            compare("uid", mine.st_uid, theirs.st_uid)
            compare("gid", mine.st_gid, theirs.st_gid)
        }
        if aspects.contains(.hardLinks) { compare("first name", one.firstName, other.firstName) }
        if aspects.contains(.holes), one.kind == .file {
            // Of a page more at each end of what is data.
            let (size, slack) = (Int(mine.st_size), 64 << 10)
            let blocks = [mine, theirs].map { min(Int($0.st_blocks) * 512, size) }
            if blocks[0] + slack < size, abs(blocks[0] - blocks[1]) > slack {
                found.append("\(blocks[0]) bytes of data and \(blocks[1])")
            }
        }
        return found
    }

    private static func firstDifference(_ left: RawPath, _ right: RawPath) throws -> Int? {
        let files = [left, right].map { $0.withCString { open($0, O_RDONLY | O_CLOEXEC | O_NOFOLLOW) } }
        defer { for file in files where file >= 0 { close(file) } }
        guard files.allSatisfy({ $0 >= 0 }) else { throw Unexpected("\(left) or \(right): errno \(errno)") }
        let size = 256 << 10
        let buffers = [0, 1].map { _ in UnsafeMutableRawBufferPointer.allocate(byteCount: size, alignment: 64) }
        defer { for buffer in buffers { buffer.deallocate() } }
        var offset = 0
        while true {
            let counts = zip(files, buffers).map { pread($0, $1.baseAddress, size, off_t(offset)) }
            guard let count = counts.min(), count >= 0 else { throw Unexpected("\(left) or \(right): errno \(errno)") }
            if let one = buffers[0].baseAddress, let other = buffers[1].baseAddress, memcmp(one, other, count) != 0 {
                return zip(buffers[0], buffers[1]).enumerated().first { $1.0 != $1.1 }.map { offset + $0.offset }
            }
            guard counts[0] == counts[1] else { return offset + count }
            if count == 0 { return nil }
            offset += count
        }
    }
}
