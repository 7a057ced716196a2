package import CProtocol

extension NFS {
    /// CREATE, RFC 1813 section 3.3.8.
    package enum Create: NFSProcedure {
        /// createhow3
        package enum How: Hashable, Sendable {
            /// An existing file is taken as it is.
            case unchecked(SetAttributes)
            /// An existing file is NFS3ERR_EXIST.
            case guarded(SetAttributes)
            /// An existing file is NFS3ERR_EXIST unless it was created with this verifier.
            case exclusive(Verifier)
        }

        package struct Arguments: Hashable, Sendable {
            package var target: DirectoryOperation
            package var how: How

            package init(_ target: DirectoryOperation, _ how: How) {
                self.target = target
                self.how = how
            }
        }
        package typealias Success = Created
        package typealias Failure = WeakCacheData
        package static let number = ProcedureNumber.create
    }
}

extension NFS.Create {
    package static var resultsRoutine: XDRRoutine<CREATE3res> { xdr_CREATE3res }
    package static var noResults: CREATE3res { CREATE3res() }

    package static func reply(_ wire: CREATE3res) -> Reply {
        guard wire.status == NFS3_OK else {
            return .failure(NFSStatus(wire.status), WeakCacheData(wire.CREATE3res_u.resfail.dir_wcc))
        }
        let resok = wire.CREATE3res_u.resok
        return .success(
            NFS.Created(
                object: FileHandle?(resok.obj), attributes: FileAttributes?(resok.obj_attributes),
                directory: WeakCacheData(resok.dir_wcc)))
    }

    package static func wire(_ reply: Reply, _ arena: XDRArena) -> CREATE3res {
        var wire = CREATE3res()
        switch reply {
        case .success(let success):
            wire.status = NFS3_OK
            wire.CREATE3res_u.resok.obj = success.object.wire(arena)
            wire.CREATE3res_u.resok.obj_attributes = success.attributes.wire
            wire.CREATE3res_u.resok.dir_wcc = success.directory.wire
        case .failure(let status, let failure):
            wire.status = status.wire
            wire.CREATE3res_u.resfail.dir_wcc = failure.wire
        }
        return wire
    }
}

extension NFS.Create.Arguments: XDRValue {
    package static var routine: XDRRoutine<CREATE3args> { xdr_CREATE3args }

    package init(_ wire: CREATE3args) {
        target = DirectoryOperation(wire.where)
        // The routine lets no other mode pass.
        switch wire.how.mode {
        case GUARDED: how = .guarded(SetAttributes(wire.how.createhow3_u.obj_attributes))
        case EXCLUSIVE: how = .exclusive(NFS.Verifier(verifier: wire.how.createhow3_u.verf))
        default: how = .unchecked(SetAttributes(wire.how.createhow3_u.obj_attributes))
        }
    }

    package func wire(_ arena: XDRArena) -> CREATE3args {
        var wire = CREATE3args()
        wire.where = target.wire(arena)
        switch how {
        case .unchecked(let attributes):
            wire.how.mode = UNCHECKED
            wire.how.createhow3_u.obj_attributes = attributes.wire
        case .guarded(let attributes):
            wire.how.mode = GUARDED
            wire.how.createhow3_u.obj_attributes = attributes.wire
        case .exclusive(let verifier):
            wire.how.mode = EXCLUSIVE
            wire.how.createhow3_u.verf = verifier.verifier
        }
        return wire
    }
}
