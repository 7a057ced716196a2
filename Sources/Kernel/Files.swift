package import Glibc
import SystemPackage

/// File calls on borrowed descriptors. Offsets and counts are in bytes.
package enum Files {
    /// open(2), close-on-exec.
    package static func open(_ path: String, _ flags: Int32, mode: mode_t = 0o600) throws(SystemError) -> Descriptor {
        try open(at: AT_FDCWD, path, flags, mode: mode, named: path)
    }

    /// openat(2), close-on-exec. `named` is what an error calls it.
    package static func open(
        at directory: Int32, _ path: String, _ flags: Int32, mode: mode_t = 0o600, named: String? = nil
    ) throws(SystemError) -> Descriptor {
        Descriptor(
            takingOwnershipOf: try systemCall("openat", on: named ?? path) {
                Glibc.openat(directory, path, flags | O_CLOEXEC, mode)
            })
    }

    /// fstat(2).
    package static func status(_ descriptor: Int32) throws(SystemError) -> stat {
        var status = stat()
        try systemCall("fstat") { fstat(descriptor, &status) }
        return status
    }

    /// lstat(2) of a name in a directory.
    package static func status(at directory: Int32, _ name: String) throws(SystemError) -> stat {
        var status = stat()
        try systemCall("fstatat", on: name) { fstatat(directory, name, &status, AT_SYMLINK_NOFOLLOW) }
        return status
    }

    /// pread(2): as many bytes as the file has from `offset`, up to the buffer's size.
    package static func read(
        _ descriptor: Int32, into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64
    ) throws(SystemError) -> Int {
        var done = 0
        while done < buffer.count {
            let count = try systemCall("pread") {
                pread(
                    descriptor, buffer.baseAddress.map { $0 + done }, buffer.count - done,
                    off_t(clamping: offset) + done)
            }
            if count == 0 { break }
            done += count
        }
        return done
    }

    /// The bytes at `offset`, `count` of them or as many as the file has.
    package static func read(_ descriptor: Int32, count: Int, at offset: UInt64) throws(SystemError) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        var result: Result<Int, SystemError> = .success(0)
        bytes.withUnsafeMutableBytes { buffer in
            result = Result { () throws(SystemError) in try read(descriptor, into: buffer, at: offset) }
        }
        bytes.removeLast(count - (try result.get()))
        return bytes
    }

    /// pwrite(2) of all the bytes.
    package static func write(_ descriptor: Int32, _ bytes: [UInt8], at offset: UInt64) throws(SystemError) {
        var result: Result<Void, SystemError> = .success(())
        bytes.withUnsafeBytes { buffer in
            result = Result { () throws(SystemError) in try write(descriptor, buffer, at: offset) }
        }
        try result.get()
    }

    /// pwrite(2) of all the bytes.
    package static func write(
        _ descriptor: Int32, _ buffer: UnsafeRawBufferPointer, at offset: UInt64
    ) throws(SystemError) {
        var done = 0
        while done < buffer.count {
            let count = try systemCall("pwrite") {
                pwrite(
                    descriptor, buffer.baseAddress.map { $0 + done }, buffer.count - done,
                    off_t(clamping: offset) + done)
            }
            // A file system that takes nothing and reports nothing would have this loop spin.
            if count == 0 { throw SystemError("pwrite", .noSpace) }
            done += count
        }
    }
}
