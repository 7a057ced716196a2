package import CProtocol

extension NFS {
    /// LOOKUP, RFC 1813 section 3.3.3.
    package enum Lookup: NFSProcedure {
        package typealias Arguments = DirectoryOperation

        package struct Success: Hashable, Sendable {
            package var object: FileHandle
            package var attributes: FileAttributes?
            package var directory: FileAttributes?

            package init(object: FileHandle, attributes: FileAttributes?, directory: FileAttributes?) {
                self.object = object
                self.attributes = attributes
                self.directory = directory
            }
        }

        package typealias Failure = FileAttributes?
        package static let number = ProcedureNumber.lookup
    }
}

extension NFS.Lookup {
    package static var resultsRoutine: XDRRoutine<LOOKUP3res> { xdr_LOOKUP3res }
    package static var noResults: LOOKUP3res { LOOKUP3res() }

    package static func reply(_ wire: LOOKUP3res) -> Reply {
        guard wire.status == NFS3_OK else {
            return .failure(NFSStatus(wire.status), FileAttributes?(wire.LOOKUP3res_u.resfail.dir_attributes))
        }
        let resok = wire.LOOKUP3res_u.resok
        return .success(
            Success(
                object: FileHandle(resok.object), attributes: FileAttributes?(resok.obj_attributes),
                directory: FileAttributes?(resok.dir_attributes)))
    }

    package static func wire(_ reply: Reply, _ arena: XDRArena) -> LOOKUP3res {
        var wire = LOOKUP3res()
        switch reply {
        case .success(let success):
            wire.status = NFS3_OK
            wire.LOOKUP3res_u.resok.object = success.object.wire(arena)
            wire.LOOKUP3res_u.resok.obj_attributes = success.attributes.wire
            wire.LOOKUP3res_u.resok.dir_attributes = success.directory.wire
        case .failure(let status, let failure):
            wire.status = status.wire
            wire.LOOKUP3res_u.resfail.dir_attributes = failure.wire
        }
        return wire
    }
}
