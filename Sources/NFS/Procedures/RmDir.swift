package import CProtocol

extension NFS {
    /// RMDIR, RFC 1813 section 3.3.13.
    package enum RmDir: NFSProcedure {
        package typealias Arguments = DirectoryOperation
        package typealias Success = WeakCacheData
        package typealias Failure = WeakCacheData
        package static let number = ProcedureNumber.rmDir
    }
}

extension NFS.RmDir {
    package static var resultsRoutine: XDRRoutine<RMDIR3res> { xdr_RMDIR3res }
    package static var noResults: RMDIR3res { RMDIR3res() }

    package static func reply(_ wire: RMDIR3res) -> Reply {
        guard wire.status == NFS3_OK else {
            return .failure(NFSStatus(wire.status), WeakCacheData(wire.RMDIR3res_u.resfail.dir_wcc))
        }
        let resok = wire.RMDIR3res_u.resok
        return .success(WeakCacheData(resok.dir_wcc))
    }

    package static func wire(_ reply: Reply, _ arena: XDRArena) -> RMDIR3res {
        var wire = RMDIR3res()
        switch reply {
        case .success(let success):
            wire.status = NFS3_OK
            wire.RMDIR3res_u.resok.dir_wcc = success.wire
        case .failure(let status, let failure):
            wire.status = status.wire
            wire.RMDIR3res_u.resfail.dir_wcc = failure.wire
        }
        return wire
    }
}
