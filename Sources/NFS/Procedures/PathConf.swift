package import CProtocol

extension NFS {
    /// PATHCONF, RFC 1813 section 3.3.20.
    package enum PathConf: NFSProcedure {
        package typealias Arguments = FileHandle

        package struct Success: Hashable, Sendable {
            package var attributes: FileAttributes?
            package var linkMaximum: UInt32
            /// Bytes.
            package var nameMaximum: UInt32
            /// A name that is too long is refused, not cut.
            package var noTruncation: Bool
            package var changeOwnerRestricted: Bool
            package var caseInsensitive: Bool
            package var casePreserving: Bool

            package init(
                attributes: FileAttributes?, linkMaximum: UInt32, nameMaximum: UInt32,
                noTruncation: Bool, changeOwnerRestricted: Bool, caseInsensitive: Bool,
                casePreserving: Bool
            ) {
                self.attributes = attributes
                self.linkMaximum = linkMaximum
                self.nameMaximum = nameMaximum
                self.noTruncation = noTruncation
                self.changeOwnerRestricted = changeOwnerRestricted
                self.caseInsensitive = caseInsensitive
                self.casePreserving = casePreserving
            }
        }

        package typealias Failure = FileAttributes?
        package static let number = ProcedureNumber.pathConf
    }
}

extension NFS.PathConf {
    package static var resultsRoutine: XDRRoutine<PATHCONF3res> { xdr_PATHCONF3res }
    package static var noResults: PATHCONF3res { PATHCONF3res() }

    package static func reply(_ wire: PATHCONF3res) -> Reply {
        guard wire.status == NFS3_OK else {
            return .failure(NFSStatus(wire.status), FileAttributes?(wire.PATHCONF3res_u.resfail.obj_attributes))
        }
        let resok = wire.PATHCONF3res_u.resok
        return .success(
            Success(
                attributes: FileAttributes?(resok.obj_attributes), linkMaximum: resok.linkmax,
                nameMaximum: resok.name_max, noTruncation: resok.no_trunc != 0,
                changeOwnerRestricted: resok.chown_restricted != 0,
                caseInsensitive: resok.case_insensitive != 0,
                casePreserving: resok.case_preserving != 0))
    }

    package static func wire(_ reply: Reply, _ arena: XDRArena) -> PATHCONF3res {
        var wire = PATHCONF3res()
        switch reply {
        case .success(let success):
            wire.status = NFS3_OK
            wire.PATHCONF3res_u.resok.obj_attributes = success.attributes.wire
            wire.PATHCONF3res_u.resok.linkmax = success.linkMaximum
            wire.PATHCONF3res_u.resok.name_max = success.nameMaximum
            wire.PATHCONF3res_u.resok.no_trunc = success.noTruncation ? 1 : 0
            wire.PATHCONF3res_u.resok.chown_restricted = success.changeOwnerRestricted ? 1 : 0
            wire.PATHCONF3res_u.resok.case_insensitive = success.caseInsensitive ? 1 : 0
            wire.PATHCONF3res_u.resok.case_preserving = success.casePreserving ? 1 : 0
        case .failure(let status, let failure):
            wire.status = status.wire
            wire.PATHCONF3res_u.resfail.obj_attributes = failure.wire
        }
        return wire
    }
}
