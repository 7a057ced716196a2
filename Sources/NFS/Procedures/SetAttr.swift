package import CProtocol

extension NFS {
    /// SETATTR, RFC 1813 section 3.3.2.
    package enum SetAttr: NFSProcedure {
        package struct Arguments: Hashable, Sendable {
            package var object: FileHandle
            package var attributes: SetAttributes
            /// Where given: change nothing unless the file's ctime is this, NFS3ERR_NOT_SYNC otherwise.
            package var guardTime: NFSTime?

            package init(_ object: FileHandle, _ attributes: SetAttributes, guardTime: NFSTime? = nil) {
                self.object = object
                self.attributes = attributes
                self.guardTime = guardTime
            }
        }
        package typealias Success = WeakCacheData
        package typealias Failure = WeakCacheData
        package static let number = ProcedureNumber.setAttr
    }
}

extension NFS.SetAttr {
    package static var resultsRoutine: XDRRoutine<SETATTR3res> { xdr_SETATTR3res }
    package static var noResults: SETATTR3res { SETATTR3res() }

    package static func reply(_ wire: SETATTR3res) -> Reply {
        guard wire.status == NFS3_OK else {
            return .failure(NFSStatus(wire.status), WeakCacheData(wire.SETATTR3res_u.resfail.obj_wcc))
        }
        let resok = wire.SETATTR3res_u.resok
        return .success(WeakCacheData(resok.obj_wcc))
    }

    package static func wire(_ reply: Reply, _ arena: XDRArena) -> SETATTR3res {
        var wire = SETATTR3res()
        switch reply {
        case .success(let success):
            wire.status = NFS3_OK
            wire.SETATTR3res_u.resok.obj_wcc = success.wire
        case .failure(let status, let failure):
            wire.status = status.wire
            wire.SETATTR3res_u.resfail.obj_wcc = failure.wire
        }
        return wire
    }
}

extension NFS.SetAttr.Arguments: XDRValue {
    package static var routine: XDRRoutine<SETATTR3args> { xdr_SETATTR3args }

    package init(_ wire: SETATTR3args) {
        object = FileHandle(wire.object)
        attributes = SetAttributes(wire.new_attributes)
        guardTime = wire.guard.check != 0 ? NFSTime(wire.guard.sattrguard3_u.obj_ctime) : nil
    }

    package func wire(_ arena: XDRArena) -> SETATTR3args {
        var wire = SETATTR3args()
        wire.object = object.wire(arena)
        wire.new_attributes = attributes.wire
        if let guardTime {
            wire.guard.check = 1
            wire.guard.sattrguard3_u.obj_ctime = guardTime.wire
        }
        return wire
    }
}
