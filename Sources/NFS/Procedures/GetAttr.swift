package import CProtocol

extension NFS {
    /// GETATTR, RFC 1813 section 3.3.1.
    package enum GetAttr: NFSProcedure {
        package typealias Arguments = FileHandle
        package typealias Success = FileAttributes
        package typealias Failure = Nothing
        package static let number = ProcedureNumber.getAttr
    }
}

extension NFS.GetAttr {
    package static var resultsRoutine: XDRRoutine<GETATTR3res> { xdr_GETATTR3res }
    package static var noResults: GETATTR3res { GETATTR3res() }

    package static func reply(_ wire: GETATTR3res) -> Reply {
        guard wire.status == NFS3_OK else {
            return .failure(NFSStatus(wire.status), Nothing())
        }
        let resok = wire.GETATTR3res_u.resok
        return .success(FileAttributes(resok.obj_attributes))
    }

    package static func wire(_ reply: Reply, _ arena: XDRArena) -> GETATTR3res {
        var wire = GETATTR3res()
        switch reply {
        case .success(let success):
            wire.status = NFS3_OK
            wire.GETATTR3res_u.resok.obj_attributes = success.wire
        case .failure(let status, _):
            wire.status = status.wire
        }
        return wire
    }
}
