package import CProtocol

extension NFS {
    /// RENAME, RFC 1813 section 3.3.14.
    package enum Rename: NFSProcedure {
        package struct Arguments: Hashable, Sendable {
            package var from: DirectoryOperation
            package var to: DirectoryOperation

            package init(from: DirectoryOperation, to: DirectoryOperation) {
                self.from = from
                self.to = to
            }
        }

        package struct Both: Hashable, Sendable {
            package var fromDirectory: WeakCacheData
            package var toDirectory: WeakCacheData

            package init(fromDirectory: WeakCacheData, toDirectory: WeakCacheData) {
                self.fromDirectory = fromDirectory
                self.toDirectory = toDirectory
            }
        }

        package typealias Success = Both
        package typealias Failure = Both
        package static let number = ProcedureNumber.rename
    }
}

extension NFS.Rename {
    package static var resultsRoutine: XDRRoutine<RENAME3res> { xdr_RENAME3res }
    package static var noResults: RENAME3res { RENAME3res() }

    package static func reply(_ wire: RENAME3res) -> Reply {
        guard wire.status == NFS3_OK else {
            return .failure(
                NFSStatus(wire.status),
                Both(
                    fromDirectory: WeakCacheData(wire.RENAME3res_u.resfail.fromdir_wcc),
                    toDirectory: WeakCacheData(wire.RENAME3res_u.resfail.todir_wcc)))
        }
        let resok = wire.RENAME3res_u.resok
        return .success(
            Both(fromDirectory: WeakCacheData(resok.fromdir_wcc), toDirectory: WeakCacheData(resok.todir_wcc)))
    }

    package static func wire(_ reply: Reply, _ arena: XDRArena) -> RENAME3res {
        var wire = RENAME3res()
        switch reply {
        case .success(let success):
            wire.status = NFS3_OK
            wire.RENAME3res_u.resok.fromdir_wcc = success.fromDirectory.wire
            wire.RENAME3res_u.resok.todir_wcc = success.toDirectory.wire
        case .failure(let status, let failure):
            wire.status = status.wire
            wire.RENAME3res_u.resfail.fromdir_wcc = failure.fromDirectory.wire
            wire.RENAME3res_u.resfail.todir_wcc = failure.toDirectory.wire
        }
        return wire
    }
}

extension NFS.Rename.Arguments: XDRValue {
    package static var routine: XDRRoutine<RENAME3args> { xdr_RENAME3args }

    package init(_ wire: RENAME3args) {
        from = DirectoryOperation(wire.from)
        to = DirectoryOperation(wire.to)
    }

    package func wire(_ arena: XDRArena) -> RENAME3args {
        RENAME3args(from: from.wire(arena), to: to.wire(arena))
    }
}
