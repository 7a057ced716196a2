package import CProtocol

extension NFS {
    /// MKNOD, RFC 1813 section 3.3.11.
    package enum MkNod: NFSProcedure {
        /// mknoddata3
        package enum What: Hashable, Sendable {
            case characterDevice(SetAttributes, major: UInt32, minor: UInt32)
            case blockDevice(SetAttributes, major: UInt32, minor: UInt32)
            case socket(SetAttributes)
            case fifo(SetAttributes)
            /// A type that MKNOD does not make: NFS3ERR_BADTYPE.
            case other(FileType)
        }

        package struct Arguments: Hashable, Sendable {
            package var target: DirectoryOperation
            package var what: What

            package init(_ target: DirectoryOperation, _ what: What) {
                self.target = target
                self.what = what
            }
        }
        package typealias Success = Created
        package typealias Failure = WeakCacheData
        package static let number = ProcedureNumber.mkNod
    }
}

extension NFS.MkNod {
    package static var resultsRoutine: XDRRoutine<MKNOD3res> { xdr_MKNOD3res }
    package static var noResults: MKNOD3res { MKNOD3res() }

    package static func reply(_ wire: MKNOD3res) -> Reply {
        guard wire.status == NFS3_OK else {
            return .failure(NFSStatus(wire.status), WeakCacheData(wire.MKNOD3res_u.resfail.dir_wcc))
        }
        let resok = wire.MKNOD3res_u.resok
        return .success(
            NFS.Created(
                object: FileHandle?(resok.obj), attributes: FileAttributes?(resok.obj_attributes),
                directory: WeakCacheData(resok.dir_wcc)))
    }

    package static func wire(_ reply: Reply, _ arena: XDRArena) -> MKNOD3res {
        var wire = MKNOD3res()
        switch reply {
        case .success(let success):
            wire.status = NFS3_OK
            wire.MKNOD3res_u.resok.obj = success.object.wire(arena)
            wire.MKNOD3res_u.resok.obj_attributes = success.attributes.wire
            wire.MKNOD3res_u.resok.dir_wcc = success.directory.wire
        case .failure(let status, let failure):
            wire.status = status.wire
            wire.MKNOD3res_u.resfail.dir_wcc = failure.wire
        }
        return wire
    }
}

extension NFS.MkNod.Arguments: XDRValue {
    package static var routine: XDRRoutine<MKNOD3args> { xdr_MKNOD3args }

    package init(_ wire: MKNOD3args) {
        target = DirectoryOperation(wire.where)
        let device = wire.what.mknoddata3_u.device
        switch wire.what.type {
        case NF3CHR:
            what = .characterDevice(
                SetAttributes(device.dev_attributes), major: device.spec.specdata1, minor: device.spec.specdata2)
        case NF3BLK:
            what = .blockDevice(
                SetAttributes(device.dev_attributes), major: device.spec.specdata1, minor: device.spec.specdata2)
        case NF3SOCK: what = .socket(SetAttributes(wire.what.mknoddata3_u.pipe_attributes))
        case NF3FIFO: what = .fifo(SetAttributes(wire.what.mknoddata3_u.pipe_attributes))
        default: what = .other(FileType(rawValue: wire.what.type.rawValue))
        }
    }

    package func wire(_ arena: XDRArena) -> MKNOD3args {
        var wire = MKNOD3args()
        wire.where = target.wire(arena)
        switch what {
        case .characterDevice(let attributes, let major, let minor):
            wire.what.type = NF3CHR
            wire.what.mknoddata3_u.device = devicedata3(
                dev_attributes: attributes.wire, spec: specdata3(specdata1: major, specdata2: minor))
        case .blockDevice(let attributes, let major, let minor):
            wire.what.type = NF3BLK
            wire.what.mknoddata3_u.device = devicedata3(
                dev_attributes: attributes.wire, spec: specdata3(specdata1: major, specdata2: minor))
        case .socket(let attributes):
            wire.what.type = NF3SOCK
            wire.what.mknoddata3_u.pipe_attributes = attributes.wire
        case .fifo(let attributes):
            wire.what.type = NF3FIFO
            wire.what.mknoddata3_u.pipe_attributes = attributes.wire
        case .other(let type):
            wire.what.type = ftype3(type.rawValue)
        }
        return wire
    }
}
