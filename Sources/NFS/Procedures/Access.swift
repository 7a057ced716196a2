package import CProtocol

extension NFS {
    /// ACCESS, RFC 1813 section 3.3.4.
    package enum Access: NFSProcedure {
        /// What may be done with a file.
        package struct Rights: OptionSet, Hashable, Sendable {
            package let rawValue: UInt32
            package init(rawValue: UInt32) { self.rawValue = rawValue }
            package static let read = Rights(rawValue: 0x01)
            package static let lookup = Rights(rawValue: 0x02)
            package static let modify = Rights(rawValue: 0x04)
            package static let extend = Rights(rawValue: 0x08)
            package static let delete = Rights(rawValue: 0x10)
            package static let execute = Rights(rawValue: 0x20)
        }

        package struct Arguments: Hashable, Sendable {
            package var object: FileHandle
            /// Which rights are asked about.
            package var rights: Rights

            package init(_ object: FileHandle, _ rights: Rights) {
                self.object = object
                self.rights = rights
            }
        }

        package struct Success: Hashable, Sendable {
            package var attributes: FileAttributes?
            /// Those of the rights asked about that are granted.
            package var rights: Rights

            package init(attributes: FileAttributes?, rights: Rights) {
                self.attributes = attributes
                self.rights = rights
            }
        }

        package typealias Failure = FileAttributes?
        package static let number = ProcedureNumber.access
    }
}

extension NFS.Access {
    package static var resultsRoutine: XDRRoutine<ACCESS3res> { xdr_ACCESS3res }
    package static var noResults: ACCESS3res { ACCESS3res() }

    package static func reply(_ wire: ACCESS3res) -> Reply {
        guard wire.status == NFS3_OK else {
            return .failure(NFSStatus(wire.status), FileAttributes?(wire.ACCESS3res_u.resfail.obj_attributes))
        }
        let resok = wire.ACCESS3res_u.resok
        return .success(
            Success(
                attributes: FileAttributes?(resok.obj_attributes), rights: Rights(rawValue: resok.access)))
    }

    package static func wire(_ reply: Reply, _ arena: XDRArena) -> ACCESS3res {
        var wire = ACCESS3res()
        switch reply {
        case .success(let success):
            wire.status = NFS3_OK
            wire.ACCESS3res_u.resok.obj_attributes = success.attributes.wire
            wire.ACCESS3res_u.resok.access = success.rights.rawValue
        case .failure(let status, let failure):
            wire.status = status.wire
            wire.ACCESS3res_u.resfail.obj_attributes = failure.wire
        }
        return wire
    }
}

extension NFS.Access.Arguments: XDRValue {
    package static var routine: XDRRoutine<ACCESS3args> { xdr_ACCESS3args }

    package init(_ wire: ACCESS3args) {
        object = FileHandle(wire.object)
        rights = NFS.Access.Rights(rawValue: wire.access)
    }

    package func wire(_ arena: XDRArena) -> ACCESS3args {
        ACCESS3args(object: object.wire(arena), access: rights.rawValue)
    }
}
