import CProtocol

/// The MOUNT protocol version 3, RFC 1813 appendix I: its procedures' values, for the client and the server alike.
package enum Mount {
    package static let program: UInt32 = 100_005
    package static let version: UInt32 = 3

    /// Bytes that a path may have: MNTPATHLEN.
    package static let pathLimit = 1024

    /// The procedures by number, RFC 1813 section 5.2.
    package enum ProcedureNumber: UInt32, Sendable, CaseIterable {
        case null, mnt, dump, umnt, umntAll, export

        /// The RFC's name: `UMNTALL`.
        package var name: String { "\(self)".uppercased() }
    }

    /// mountstat3, RFC 1813 section 5.1.5. A number the RFC does not have is kept as it came.
    package struct Status: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
        package let rawValue: UInt32
        package init(rawValue: UInt32) { self.rawValue = rawValue }

        package static let ok = Status(rawValue: 0)
        package static let notPermitted = Status(rawValue: 1)
        package static let noEntry = Status(rawValue: 2)
        package static let io = Status(rawValue: 5)
        package static let accessDenied = Status(rawValue: 13)
        package static let notDirectory = Status(rawValue: 20)
        package static let invalid = Status(rawValue: 22)
        package static let nameTooLong = Status(rawValue: 63)
        package static let notSupported = Status(rawValue: 10004)
        package static let serverFault = Status(rawValue: 10006)

        private static let names: [UInt32: String] = [
            0: "MNT3_OK", 1: "MNT3ERR_PERM", 2: "MNT3ERR_NOENT", 5: "MNT3ERR_IO", 13: "MNT3ERR_ACCES",
            20: "MNT3ERR_NOTDIR", 22: "MNT3ERR_INVAL", 63: "MNT3ERR_NAMETOOLONG", 10004: "MNT3ERR_NOTSUPP",
            10006: "MNT3ERR_SERVERFAULT",
        ]

        /// The RFC's name, such as `MNT3ERR_ACCES`.
        package var name: String { Self.names[rawValue] ?? "mountstat3 \(rawValue)" }

        /// What it means, in words: NFS has every one of these numbers with the same meaning.
        package var text: String {
            self == .noEntry ? "the server exports no such path" : NFSStatus(rawValue: rawValue).text
        }

        package var description: String { "\(text) (\(name))" }

        /// What a server answers where NFS would answer `status`.
        package init(_ status: NFSStatus) {
            self = Self.names[status.rawValue] == nil ? .serverFault : Status(rawValue: status.rawValue)
        }
    }

    /// MNT's success: mountres3_ok.
    package struct Mounted: Hashable, Sendable {
        package var root: FileHandle
        /// The credential flavors that the export takes: 0 AUTH_NONE, 1 AUTH_SYS, 7 AUTH_TLS.
        package var flavors: [UInt32]

        package init(root: FileHandle, flavors: [UInt32]) {
            self.root = root
            self.flavors = flavors
        }
    }

    /// exportnode: an export and the groups of hosts that may mount it; no groups: everybody.
    package struct ExportEntry: Hashable, Sendable {
        package var path: FileName
        package var groups: [FileName]

        package init(path: FileName, groups: [FileName] = []) {
            self.path = path
            self.groups = groups
        }
    }

    /// mountbody: who has mounted what.
    package struct MountEntry: Hashable, Sendable {
        package var host: FileName
        package var path: FileName

        package init(host: FileName, path: FileName) {
            self.host = host
            self.path = path
        }
    }
}

/// A MOUNT call that failed at the server: on what path and why.
package struct MountError: Error, Hashable, Sendable, CustomStringConvertible {
    /// Nil where the reply was malformed.
    package let status: Mount.Status?
    package let procedure: Mount.ProcedureNumber
    package let subject: String

    package init(_ status: Mount.Status?, _ procedure: Mount.ProcedureNumber, _ subject: String) {
        self.status = status
        self.procedure = procedure
        self.subject = subject
    }

    package var description: String {
        guard let status else { return "\(subject): the server's answer to MOUNT's \(procedure.name) is malformed" }
        return "\(subject): \(status.text) (MOUNT \(procedure.name): \(status.name))"
    }
}

extension FileName {
    init(wire: dirpath) { self.init(Array(length: wire.dirpath_len, bytes: wire.dirpath_val)) }
    init(host wire: CProtocol.name) { self.init(Array(length: wire.name_len, bytes: wire.name_val)) }

    func dirpath(_ arena: XDRArena) -> CProtocol.dirpath {
        CProtocol.dirpath(dirpath_len: UInt32(clamping: count), dirpath_val: arena.copy(bytes))
    }

    func host(_ arena: XDRArena) -> CProtocol.name {
        CProtocol.name(name_len: UInt32(clamping: count), name_val: arena.copy(bytes))
    }
}
