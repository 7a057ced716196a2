import CLinux
import Glibc
import Kernel
import NFS
import SystemPackage

/// Handles that the kernel makes and opens: name_to_handle_at(2), open_by_handle_at(2). They survive renames, restarts
/// and inode numbers that are used again.
struct KernelHandles: HandleStrategy {
    static let tag: UInt8 = 1

    private let root: SharedDescriptor
    private let mount: Int32

    /// - Parameter root: the export's root, opened for reading: open_by_handle_at takes no O_PATH descriptor.
    /// - Throws: ``SystemError`` where this file system or this process cannot: EOPNOTSUPP, EPERM.
    init(_ root: SharedDescriptor) throws(SystemError) {
        let (handle, mount) = try Self.name(root.raw, "", Int32(CLINUX_AT_EMPTY_PATH))
        self.root = root
        self.mount = mount
        // Asked of the kernel and not guessed: a handle that cannot be opened again is of no use.
        let again = try open(handle)
        guard try Identity(Files.status(again.raw)) == Identity(Files.status(root.raw)) else {
            throw SystemError("open_by_handle_at", .notSupported)
        }
    }

    /// name_to_handle_at(2).
    ///
    /// - Returns: the handle's type and bytes, and the number of the mount that the object is on.
    static func name(
        _ directory: Int32, _ name: FileName, _ flags: Int32
    ) throws(SystemError) -> (object: [UInt8], mount: Int32) {
        var mount: Int32 = 0
        let object = try withUnsafeTemporaryAllocation(byteCount: Int(CLINUX_MAX_HANDLE), alignment: 8) {
            (bytes) throws(SystemError) -> [UInt8] in
            var type: Int32 = 0
            var length: UInt32 = 0
            try FileCalls.at("name_to_handle_at", name) { name in
                clinux_name_to_handle(
                    directory, name, flags, &type, bytes.baseAddress?.assumingMemoryBound(to: UInt8.self), &length,
                    &mount)
            }
            let known = Int(min(length, UInt32(CLINUX_MAX_HANDLE)))
            return [UInt8](unsafeUninitializedCapacity: 4 + known) { space, count in
                let space = UnsafeMutableRawBufferPointer(space)
                space.storeBytes(of: type.bigEndian, as: Int32.self)
                UnsafeMutableRawBufferPointer(rebasing: space[4...]).copyMemory(
                    from: UnsafeRawBufferPointer(rebasing: bytes[..<known]))
                count = 4 + known
            }
        }
        guard object.count <= HandleSeal.objectLimit else { throw SystemError("name_to_handle_at", .overflow) }
        return (object, mount)
    }

    func object(_ descriptor: Int32, _ status: stat, at place: Place?) throws(SystemError) -> [UInt8] {
        try Self.name(descriptor, "", Int32(CLINUX_AT_EMPTY_PATH)).object
    }

    func object(in directory: Int32, _ status: stat, at place: Place) throws(SystemError) -> [UInt8] {
        let (object, mount) = try Self.name(directory, place.name, 0)
        // Something else is mounted there: its handle would be looked for in this file system.
        guard mount == self.mount else { throw SystemError("name_to_handle_at", .improperLink) }
        return object
    }

    func open(_ object: [UInt8]) throws(SystemError) -> Descriptor {
        guard let type = Int32(bigEndianBytes: object.prefix(4)) else {
            throw SystemError("open_by_handle_at", .staleNFSFileHandle)
        }
        let bytes = Array(object.dropFirst(4))
        return Descriptor(
            takingOwnershipOf: try systemCall("open_by_handle_at") {
                clinux_open_by_handle(root.raw, type, bytes, UInt32(bytes.count), FileCalls.path | O_CLOEXEC)
            })
    }

    func moved(_ identity: Identity, to place: Place) {}
    func removed(_ identity: Identity) {}
}
