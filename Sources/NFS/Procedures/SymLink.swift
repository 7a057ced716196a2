package import CProtocol

extension NFS {
    /// SYMLINK, RFC 1813 section 3.3.10.
    package enum SymLink: NFSProcedure {
        package struct Arguments: Hashable, Sendable {
            package var target: DirectoryOperation
            package var attributes: SetAttributes
            /// What the link says.
            package var text: FileName

            package init(_ target: DirectoryOperation, _ attributes: SetAttributes, text: FileName) {
                self.target = target
                self.attributes = attributes
                self.text = text
            }
        }
        package typealias Success = Created
        package typealias Failure = WeakCacheData
        package static let number = ProcedureNumber.symLink
    }
}

extension NFS.SymLink {
    package static var resultsRoutine: XDRRoutine<SYMLINK3res> { xdr_SYMLINK3res }
    package static var noResults: SYMLINK3res { SYMLINK3res() }

    package static func reply(_ wire: SYMLINK3res) -> Reply {
        guard wire.status == NFS3_OK else {
            return .failure(NFSStatus(wire.status), WeakCacheData(wire.SYMLINK3res_u.resfail.dir_wcc))
        }
        let resok = wire.SYMLINK3res_u.resok
        return .success(
            NFS.Created(
                object: FileHandle?(resok.obj), attributes: FileAttributes?(resok.obj_attributes),
                directory: WeakCacheData(resok.dir_wcc)))
    }

    package static func wire(_ reply: Reply, _ arena: XDRArena) -> SYMLINK3res {
        var wire = SYMLINK3res()
        switch reply {
        case .success(let success):
            wire.status = NFS3_OK
            wire.SYMLINK3res_u.resok.obj = success.object.wire(arena)
            wire.SYMLINK3res_u.resok.obj_attributes = success.attributes.wire
            wire.SYMLINK3res_u.resok.dir_wcc = success.directory.wire
        case .failure(let status, let failure):
            wire.status = status.wire
            wire.SYMLINK3res_u.resfail.dir_wcc = failure.wire
        }
        return wire
    }
}

extension NFS.SymLink.Arguments: XDRValue {
    package static var routine: XDRRoutine<SYMLINK3args> { xdr_SYMLINK3args }

    package init(_ wire: SYMLINK3args) {
        target = DirectoryOperation(wire.where)
        attributes = SetAttributes(wire.symlink.symlink_attributes)
        text = FileName(wire: wire.symlink.symlink_data)
    }

    package func wire(_ arena: XDRArena) -> SYMLINK3args {
        SYMLINK3args(
            where: target.wire(arena),
            symlink: symlinkdata3(symlink_attributes: attributes.wire, symlink_data: text.path(arena)))
    }
}
