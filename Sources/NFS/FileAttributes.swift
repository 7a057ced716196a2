package import CProtocol

/// ftype3. A number the RFC does not have is kept as it came.
package struct FileType: RawRepresentable, Hashable, Sendable {
    package let rawValue: UInt32

    package init(rawValue: UInt32) { self.rawValue = rawValue }

    package static let regular = FileType(rawValue: 1)
    package static let directory = FileType(rawValue: 2)
    package static let blockDevice = FileType(rawValue: 3)
    package static let characterDevice = FileType(rawValue: 4)
    package static let symbolicLink = FileType(rawValue: 5)
    package static let socket = FileType(rawValue: 6)
    package static let fifo = FileType(rawValue: 7)
}

/// fattr3, RFC 1813 section 2.6.
package struct FileAttributes: Hashable, XDRValue {
    /// Bytes on the wire.
    package static let encodedLength = 84

    package var type: FileType
    /// The permission bits, 07777.
    package var mode: UInt32
    package var linkCount: UInt32
    package var uid: UInt32
    package var gid: UInt32
    /// Bytes.
    package var size: UInt64
    /// Bytes of disk.
    package var used: UInt64
    package var deviceMajor: UInt32
    package var deviceMinor: UInt32
    package var fileSystem: UInt64
    package var fileID: UInt64
    package var accessTime: NFSTime
    package var modificationTime: NFSTime
    package var changeTime: NFSTime

    package init(
        type: FileType, mode: UInt32, linkCount: UInt32, uid: UInt32, gid: UInt32, size: UInt64, used: UInt64,
        deviceMajor: UInt32 = 0, deviceMinor: UInt32 = 0, fileSystem: UInt64, fileID: UInt64, accessTime: NFSTime,
        modificationTime: NFSTime, changeTime: NFSTime
    ) {
        self.type = type
        self.mode = mode
        self.linkCount = linkCount
        self.uid = uid
        self.gid = gid
        self.size = size
        self.used = used
        self.deviceMajor = deviceMajor
        self.deviceMinor = deviceMinor
        self.fileSystem = fileSystem
        self.fileID = fileID
        self.accessTime = accessTime
        self.modificationTime = modificationTime
        self.changeTime = changeTime
    }

    package static var routine: XDRRoutine<fattr3> { xdr_fattr3 }

    package init(_ wire: fattr3) {
        self.init(
            type: FileType(rawValue: wire.type.rawValue), mode: wire.mode, linkCount: wire.nlink, uid: wire.uid,
            gid: wire.gid, size: UInt64(wire.size), used: UInt64(wire.used), deviceMajor: wire.rdev.specdata1,
            deviceMinor: wire.rdev.specdata2, fileSystem: UInt64(wire.fsid), fileID: UInt64(wire.fileid),
            accessTime: NFSTime(wire.atime), modificationTime: NFSTime(wire.mtime), changeTime: NFSTime(wire.ctime))
    }

    package func wire(_ arena: XDRArena) -> fattr3 { wire }

    package var wire: fattr3 {
        fattr3(
            type: ftype3(type.rawValue), mode: mode, nlink: linkCount, uid: uid, gid: gid, size: size3(size),
            used: size3(used), rdev: specdata3(specdata1: deviceMajor, specdata2: deviceMinor),
            fsid: CProtocol.uint64(fileSystem),
            fileid: fileid3(fileID), atime: accessTime.wire, mtime: modificationTime.wire, ctime: changeTime.wire)
    }
}

extension Optional where Wrapped == FileAttributes {
    init(_ wire: post_op_attr) {
        self = wire.attributes_follow != 0 ? FileAttributes(wire.post_op_attr_u.attributes) : nil
    }

    /// post_op_attr
    package var wire: post_op_attr {
        var wire = post_op_attr()
        if let self {
            wire.attributes_follow = 1
            wire.post_op_attr_u.attributes = self.wire
        }
        return wire
    }
}

extension Optional where Wrapped == FileHandle {
    init(_ wire: post_op_fh3) { self = wire.handle_follows != 0 ? FileHandle(wire.post_op_fh3_u.handle) : nil }

    /// post_op_fh3
    package func wire(_ arena: XDRArena) -> post_op_fh3 {
        var wire = post_op_fh3()
        if let self {
            wire.handle_follows = 1
            wire.post_op_fh3_u.handle = self.wire(arena)
        }
        return wire
    }
}
