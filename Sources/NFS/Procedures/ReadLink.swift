package import CProtocol

extension NFS {
    /// READLINK, RFC 1813 section 3.3.5.
    package enum ReadLink: NFSProcedure {
        package typealias Arguments = FileHandle

        package struct Success: Hashable, Sendable {
            package var attributes: FileAttributes?
            /// What the link says.
            package var text: FileName

            package init(attributes: FileAttributes?, text: FileName) {
                self.attributes = attributes
                self.text = text
            }
        }

        package typealias Failure = FileAttributes?
        package static let number = ProcedureNumber.readLink
    }
}

extension NFS.ReadLink {
    package static var resultsRoutine: XDRRoutine<READLINK3res> { xdr_READLINK3res }
    package static var noResults: READLINK3res { READLINK3res() }

    package static func reply(_ wire: READLINK3res) -> Reply {
        guard wire.status == NFS3_OK else {
            return .failure(NFSStatus(wire.status), FileAttributes?(wire.READLINK3res_u.resfail.symlink_attributes))
        }
        let resok = wire.READLINK3res_u.resok
        return .success(
            Success(
                attributes: FileAttributes?(resok.symlink_attributes), text: FileName(wire: resok.data)))
    }

    package static func wire(_ reply: Reply, _ arena: XDRArena) -> READLINK3res {
        var wire = READLINK3res()
        switch reply {
        case .success(let success):
            wire.status = NFS3_OK
            wire.READLINK3res_u.resok.symlink_attributes = success.attributes.wire
            wire.READLINK3res_u.resok.data = success.text.path(arena)
        case .failure(let status, let failure):
            wire.status = status.wire
            wire.READLINK3res_u.resfail.symlink_attributes = failure.wire
        }
        return wire
    }
}
