import CLinux
import Glibc
import Kernel
import NFS

/// One entry as getdents64(2) has it.
struct RawEntry {
    let inode: UInt64
    /// Where to go on after it: d_off.
    let next: UInt64
    /// DT_DIR and so on; DT_UNKNOWN on some file systems.
    let type: UInt8
    let name: FileName
}

/// Reads a directory from a position on.
struct DirectoryReader: ~Copyable {
    private let directory: Descriptor
    private let buffer: UnsafeMutableRawBufferPointer
    private var position = 0
    private var filled = 0

    /// - Parameters:
    ///   - parent: the directory, O_PATH or not: it is opened anew, since the position belongs to the open file.
    ///   - cookie: 0, or ``RawEntry/next`` of an entry.
    ///   - size: bytes to read at once: no more than is wanted, since each call of a client's reads anew.
    init(_ parent: Int32, from cookie: UInt64 = 0, reading size: Int = 64 << 10) throws(SystemError) {
        let directory = try FileCalls.open(beneath: parent, ".", O_RDONLY | O_DIRECTORY)
        if cookie != 0 {
            _ = try systemCall("lseek") { Int(lseek(directory.raw, off_t(truncatingIfNeeded: cookie), SEEK_SET)) }
        }
        self.directory = directory
        // An entry has at most 280 bytes; getdents64(2) gives EINVAL where one does not fit.
        buffer = .allocate(byteCount: min(max(size, 1 << 10), 64 << 10), alignment: 8)
    }

    /// Goes back to the first entry, and sees what has changed.
    mutating func rewind() throws(SystemError) {
        _ = try systemCall("lseek") { Int(lseek(directory.raw, 0, SEEK_SET)) }
        position = 0
        filled = 0
    }

    deinit { buffer.deallocate() }

    /// The next entry, `.` and `..` among them; nil at the end.
    mutating func next() throws(SystemError) -> RawEntry? {
        try next { RawEntry(inode: $0, next: $1, type: $2, name: FileName($3)) }
    }

    /// The same with the name where it was read to.
    ///
    /// - Parameter body: takes ``RawEntry/inode``, ``RawEntry/next``, ``RawEntry/type`` and the name.
    mutating func next<Entry>(
        _ body: (UInt64, UInt64, UInt8, UnsafeRawBufferPointer) -> Entry
    ) throws(SystemError) -> Entry? {
        // struct linux_dirent64: d_ino 8, d_off 8, d_reclen 2, d_type 1, d_name
        let header = 19
        if position + header > filled {
            let count = try systemCall("getdents64") {
                clinux_getdents64(directory.raw, buffer.baseAddress, buffer.count)
            }
            if count == 0 { return nil }
            filled = count
            position = 0
        }
        guard position + header <= filled else { return nil }
        let inode = buffer.loadUnaligned(fromByteOffset: position, as: UInt64.self)
        let next = buffer.loadUnaligned(fromByteOffset: position + 8, as: UInt64.self)
        let length = Int(buffer.loadUnaligned(fromByteOffset: position + 16, as: UInt16.self))
        let type = buffer.loadUnaligned(fromByteOffset: position + 18, as: UInt8.self)
        guard length > header, position + length <= filled else { return nil }
        let name = UnsafeRawBufferPointer(rebasing: buffer[(position + header)..<(position + length)])
        position += length
        return body(inode, next, type, UnsafeRawBufferPointer(rebasing: name.prefix { $0 != 0 }))
    }
}
