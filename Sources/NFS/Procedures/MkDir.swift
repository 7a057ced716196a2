package import CProtocol

extension NFS {
    /// MKDIR, RFC 1813 section 3.3.9.
    package enum MkDir: NFSProcedure {
        package struct Arguments: Hashable, Sendable {
            package var target: DirectoryOperation
            package var attributes: SetAttributes

            package init(_ target: DirectoryOperation, _ attributes: SetAttributes) {
                self.target = target
                self.attributes = attributes
            }
        }
        package typealias Success = Created
        package typealias Failure = WeakCacheData
        package static let number = ProcedureNumber.mkDir
    }
}

extension NFS.MkDir {
    package static var resultsRoutine: XDRRoutine<MKDIR3res> { xdr_MKDIR3res }
    package static var noResults: MKDIR3res { MKDIR3res() }

    package static func reply(_ wire: MKDIR3res) -> Reply {
        guard wire.status == NFS3_OK else {
            return .failure(NFSStatus(wire.status), WeakCacheData(wire.MKDIR3res_u.resfail.dir_wcc))
        }
        let resok = wire.MKDIR3res_u.resok
        return .success(
            NFS.Created(
                object: FileHandle?(resok.obj), attributes: FileAttributes?(resok.obj_attributes),
                directory: WeakCacheData(resok.dir_wcc)))
    }

    package static func wire(_ reply: Reply, _ arena: XDRArena) -> MKDIR3res {
        var wire = MKDIR3res()
        switch reply {
        case .success(let success):
            wire.status = NFS3_OK
            wire.MKDIR3res_u.resok.obj = success.object.wire(arena)
            wire.MKDIR3res_u.resok.obj_attributes = success.attributes.wire
            wire.MKDIR3res_u.resok.dir_wcc = success.directory.wire
        case .failure(let status, let failure):
            wire.status = status.wire
            wire.MKDIR3res_u.resfail.dir_wcc = failure.wire
        }
        return wire
    }
}

extension NFS.MkDir.Arguments: XDRValue {
    package static var routine: XDRRoutine<MKDIR3args> { xdr_MKDIR3args }

    package init(_ wire: MKDIR3args) {
        target = DirectoryOperation(wire.where)
        attributes = SetAttributes(wire.attributes)
    }

    package func wire(_ arena: XDRArena) -> MKDIR3args {
        MKDIR3args(where: target.wire(arena), attributes: attributes.wire)
    }
}
