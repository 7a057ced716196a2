package import CProtocol

extension NFS {
    /// LINK, RFC 1813 section 3.3.15.
    package enum Link: NFSProcedure {
        package struct Arguments: Hashable, Sendable {
            package var file: FileHandle
            package var link: DirectoryOperation

            package init(_ file: FileHandle, link: DirectoryOperation) {
                self.file = file
                self.link = link
            }
        }

        package struct Both: Hashable, Sendable {
            package var attributes: FileAttributes?
            package var directory: WeakCacheData

            package init(attributes: FileAttributes?, directory: WeakCacheData) {
                self.attributes = attributes
                self.directory = directory
            }
        }

        package typealias Success = Both
        package typealias Failure = Both
        package static let number = ProcedureNumber.link
    }
}

extension NFS.Link {
    package static var resultsRoutine: XDRRoutine<LINK3res> { xdr_LINK3res }
    package static var noResults: LINK3res { LINK3res() }

    package static func reply(_ wire: LINK3res) -> Reply {
        guard wire.status == NFS3_OK else {
            return .failure(
                NFSStatus(wire.status),
                Both(
                    attributes: FileAttributes?(wire.LINK3res_u.resfail.file_attributes),
                    directory: WeakCacheData(wire.LINK3res_u.resfail.linkdir_wcc)))
        }
        let resok = wire.LINK3res_u.resok
        return .success(
            Both(attributes: FileAttributes?(resok.file_attributes), directory: WeakCacheData(resok.linkdir_wcc)))
    }

    package static func wire(_ reply: Reply, _ arena: XDRArena) -> LINK3res {
        var wire = LINK3res()
        switch reply {
        case .success(let success):
            wire.status = NFS3_OK
            wire.LINK3res_u.resok.file_attributes = success.attributes.wire
            wire.LINK3res_u.resok.linkdir_wcc = success.directory.wire
        case .failure(let status, let failure):
            wire.status = status.wire
            wire.LINK3res_u.resfail.file_attributes = failure.attributes.wire
            wire.LINK3res_u.resfail.linkdir_wcc = failure.directory.wire
        }
        return wire
    }
}

extension NFS.Link.Arguments: XDRValue {
    package static var routine: XDRRoutine<LINK3args> { xdr_LINK3args }

    package init(_ wire: LINK3args) {
        file = FileHandle(wire.file)
        link = DirectoryOperation(wire.link)
    }

    package func wire(_ arena: XDRArena) -> LINK3args {
        LINK3args(file: file.wire(arena), link: link.wire(arena))
    }
}
