import CProtocol
package import SystemPackage

/// nfsstat3, RFC 1813 section 2.6. A number the RFC does not have is kept as it came.
package struct NFSStatus: RawRepresentable, Hashable, Sendable, Error, CustomStringConvertible {
    package let rawValue: UInt32

    package init(rawValue: UInt32) { self.rawValue = rawValue }
    init(_ wire: nfsstat3) { rawValue = wire.rawValue }
    var wire: nfsstat3 { nfsstat3(rawValue) }

    package static let ok = NFSStatus(rawValue: 0)
    package static let notPermitted = NFSStatus(rawValue: 1)
    package static let noEntry = NFSStatus(rawValue: 2)
    package static let io = NFSStatus(rawValue: 5)
    package static let noDevice = NFSStatus(rawValue: 6)
    package static let accessDenied = NFSStatus(rawValue: 13)
    package static let exists = NFSStatus(rawValue: 17)
    package static let crossDevice = NFSStatus(rawValue: 18)
    package static let noSuchDevice = NFSStatus(rawValue: 19)
    package static let notDirectory = NFSStatus(rawValue: 20)
    package static let isDirectory = NFSStatus(rawValue: 21)
    package static let invalid = NFSStatus(rawValue: 22)
    package static let fileTooBig = NFSStatus(rawValue: 27)
    package static let noSpace = NFSStatus(rawValue: 28)
    package static let readOnly = NFSStatus(rawValue: 30)
    package static let tooManyLinks = NFSStatus(rawValue: 31)
    package static let nameTooLong = NFSStatus(rawValue: 63)
    package static let notEmpty = NFSStatus(rawValue: 66)
    package static let quota = NFSStatus(rawValue: 69)
    package static let stale = NFSStatus(rawValue: 70)
    package static let remote = NFSStatus(rawValue: 71)
    package static let badHandle = NFSStatus(rawValue: 10001)
    package static let notSynchronized = NFSStatus(rawValue: 10002)
    package static let badCookie = NFSStatus(rawValue: 10003)
    package static let notSupported = NFSStatus(rawValue: 10004)
    package static let tooSmall = NFSStatus(rawValue: 10005)
    package static let serverFault = NFSStatus(rawValue: 10006)
    package static let badType = NFSStatus(rawValue: 10007)
    package static let jukebox = NFSStatus(rawValue: 10008)

    /// XFERERR_VERIFIER of xfer.x.
    package static let verifierChanged = NFSStatus(rawValue: 20001)

    /// What XFER has besides.
    private static let xfer: [UInt32: (name: String, text: String)] = [
        20001: ("XFERERR_VERIFIER", "the server was restarted and may have lost what was written")
    ]

    /// Every status of the RFC: its number, its name, and what a person calls it.
    private static let table: [UInt32: (name: String, text: String)] = [
        0: ("NFS3_OK", "no error"),
        1: ("NFS3ERR_PERM", "only the owner or a privileged user may do this"),
        2: ("NFS3ERR_NOENT", "no such file or directory"),
        5: ("NFS3ERR_IO", "the server's disk failed"),
        6: ("NFS3ERR_NXIO", "no such device"),
        13: ("NFS3ERR_ACCES", "permission denied"),
        17: ("NFS3ERR_EXIST", "it exists already"),
        18: ("NFS3ERR_XDEV", "source and target are on different file systems"),
        19: ("NFS3ERR_NODEV", "no such device"),
        20: ("NFS3ERR_NOTDIR", "not a directory"),
        21: ("NFS3ERR_ISDIR", "it is a directory"),
        22: ("NFS3ERR_INVAL", "the server does not accept this argument"),
        27: ("NFS3ERR_FBIG", "the file would be larger than the server's file system allows"),
        28: ("NFS3ERR_NOSPC", "no space left on the server"),
        30: ("NFS3ERR_ROFS", "the export is read-only"),
        31: ("NFS3ERR_MLINK", "too many links"),
        63: ("NFS3ERR_NAMETOOLONG", "the name is too long"),
        66: ("NFS3ERR_NOTEMPTY", "the directory is not empty"),
        69: ("NFS3ERR_DQUOT", "the quota on the server is used up"),
        70: ("NFS3ERR_STALE", "the file is gone from the server"),
        71: ("NFS3ERR_REMOTE", "too many levels of remote in path"),
        10001: ("NFS3ERR_BADHANDLE", "the server does not know this file handle"),
        10002: ("NFS3ERR_NOT_SYNC", "the file was changed by somebody else"),
        10003: ("NFS3ERR_BAD_COOKIE", "the directory changed while it was read"),
        10004: ("NFS3ERR_NOTSUPP", "the server cannot do this"),
        10005: ("NFS3ERR_TOOSMALL", "the reply would not fit"),
        10006: ("NFS3ERR_SERVERFAULT", "the server failed"),
        10007: ("NFS3ERR_BADTYPE", "the server has no files of this type"),
        10008: ("NFS3ERR_JUKEBOX", "the server needs more time: try again later"),
    ]

    /// Every status of the RFC.
    static var all: [NFSStatus] { table.keys.sorted().map { NFSStatus(rawValue: $0) } }

    /// The RFC's name, such as `NFS3ERR_STALE`.
    package var name: String { (Self.table[rawValue] ?? Self.xfer[rawValue])?.name ?? "nfsstat3 \(rawValue)" }

    /// What it means, in words.
    package var text: String {
        (Self.table[rawValue] ?? Self.xfer[rawValue])?.text ?? "an error that NFS version 3 does not have"
    }

    package var description: String { "\(text) (\(name))" }

    /// What a server answers where the kernel said `errno`. Errors without a number of their own are the server's:
    /// EIO's kin become NFS3ERR_IO, exhaustion that passes becomes NFS3ERR_JUKEBOX (RFC 1813 section 2.6).
    package init(_ errno: Errno) {
        switch errno {
        case .notPermitted: self = .notPermitted
        case .noSuchFileOrDirectory: self = .noEntry
        case .noSuchAddressOrDevice: self = .noDevice
        // A mount point, a program that runs: that may last for ever, and a client would ask again for as long.
        case .permissionDenied, .resourceBusy, .textFileBusy: self = .accessDenied
        case .fileExists: self = .exists
        case .improperLink: self = .crossDevice
        case .operationNotSupportedByDevice: self = .noSuchDevice
        case .notDirectory: self = .notDirectory
        case .isDirectory: self = .isDirectory
        // ELOOP: openat2 met a symbolic link where none is followed, which to a client is a wrong kind of object.
        case .invalidArgument, .tooManySymbolicLinkLevels: self = .invalid
        case .fileTooLarge, .overflow: self = .fileTooBig
        case .noSpace: self = .noSpace
        case .readOnlyFileSystem: self = .readOnly
        case .tooManyLinks: self = .tooManyLinks
        case .fileNameTooLong: self = .nameTooLong
        case .directoryNotEmpty: self = .notEmpty
        case .diskQuotaExceeded: self = .quota
        case .staleNFSFileHandle: self = .stale
        case .notSupported, .noFunction: self = .notSupported
        case .noMemory, .tooManyOpenFiles, .tooManyOpenFilesInSystem, .resourceTemporarilyUnavailable:
            self = .jukebox
        default: self = .io
        }
    }
}
