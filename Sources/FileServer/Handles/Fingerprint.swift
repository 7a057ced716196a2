import CLinux
import Glibc
import Kernel
import NFS
import SystemPackage

/// What tells two objects apart that have had one inode number, one after the other: 8 bytes, the same for an object's
/// whole life under whatever names and however many.
///
/// It is of the inode's generation, as name_to_handle_at(2) gives it without any privilege, or of the time the inode was
/// made, or absent: hostfs has neither. (FS_IOC_GETVERSION would be a third way, but takes a file opened for reading.)
struct Fingerprint: Sendable {
    /// Where it comes from.
    enum Source: Sendable, Hashable {
        case handle, birthTime, none
    }

    private let source: Source
    private let hash = SipHash(key: [])

    init(_ source: Source) { self.source = source }

    /// - Parameter root: a directory of the file system.
    init(fileSystemOf root: Int32) throws(SystemError) {
        let type = try FileSystemType(of: root)
        if type.hasLastingHandles, (try? KernelHandles.name(root, "", Self.empty)) != nil {
            self.init(.handle)
        } else if type.hasLastingBirthTimes, ((try? Self.birthTime(root, "", Self.empty)) ?? nil) != nil {
            self.init(.birthTime)
        } else {
            self.init(.none)
        }
    }

    private static let empty = Int32(CLINUX_AT_EMPTY_PATH)

    /// Whether objects of this file system have one.
    var isKnown: Bool { source != .none }

    /// Of an open object; nil where it has none.
    func of(_ descriptor: Int32) throws(SystemError) -> UInt64? { try of(descriptor, "", Self.empty) }

    /// Of a name in a directory; nil where it has none.
    func of(_ name: FileName, in directory: Int32) throws(SystemError) -> UInt64? { try of(directory, name, 0) }

    private func of(_ directory: Int32, _ name: FileName, _ flags: Int32) throws(SystemError) -> UInt64? {
        switch source {
        case .handle: value(try KernelHandles.name(directory, name, flags).object)
        case .birthTime: try Self.birthTime(directory, name, flags).map(value)
        case .none: nil
        }
    }

    private func value(_ bytes: [UInt8]) -> UInt64 { bytes.withUnsafeBytes { hash.hash($0) } }

    private static func birthTime(
        _ directory: Int32, _ name: FileName, _ flags: Int32
    ) throws(SystemError) -> [UInt8]? {
        var seconds: Int64 = 0
        var nanoseconds: UInt32 = 0
        var known: Int32 = 0
        try FileCalls.at("statx", name) { name in
            known = clinux_birth_time(directory, name, flags, &seconds, &nanoseconds)
            return known
        }
        return known == 0 ? nil : seconds.bigEndianBytes + nanoseconds.bigEndianBytes
    }
}
