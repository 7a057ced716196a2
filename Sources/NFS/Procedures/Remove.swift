package import CProtocol

extension NFS {
    /// REMOVE, RFC 1813 section 3.3.12.
    package enum Remove: NFSProcedure {
        package typealias Arguments = DirectoryOperation
        package typealias Success = WeakCacheData
        package typealias Failure = WeakCacheData
        package static let number = ProcedureNumber.remove
    }
}

extension NFS.Remove {
    package static var resultsRoutine: XDRRoutine<REMOVE3res> { xdr_REMOVE3res }
    package static var noResults: REMOVE3res { REMOVE3res() }

    package static func reply(_ wire: REMOVE3res) -> Reply {
        guard wire.status == NFS3_OK else {
            return .failure(NFSStatus(wire.status), WeakCacheData(wire.REMOVE3res_u.resfail.dir_wcc))
        }
        let resok = wire.REMOVE3res_u.resok
        return .success(WeakCacheData(resok.dir_wcc))
    }

    package static func wire(_ reply: Reply, _ arena: XDRArena) -> REMOVE3res {
        var wire = REMOVE3res()
        switch reply {
        case .success(let success):
            wire.status = NFS3_OK
            wire.REMOVE3res_u.resok.dir_wcc = success.wire
        case .failure(let status, let failure):
            wire.status = status.wire
            wire.REMOVE3res_u.resfail.dir_wcc = failure.wire
        }
        return wire
    }
}
