/// XFER, the extra program of Protocol/xfer.x: its procedures as Swift types, for the client and the server alike.
package enum Xfer {
    package static let program: UInt32 = 0x2058_4652
    package static let version: UInt32 = 1

    /// Bytes of digests in one reply: XFER_MAXDIGESTS of xfer.x.
    package static let digestLimit = 131_072
    /// Segments in one reply: XFER_MAXSEGMENTS of xfer.x.
    package static let segmentLimit = 512
    /// Files in one READFILES or PUTFILES: XFER_FILESMAX of xfer.x.
    package static let filesLimit = 64
    /// Bytes of data in one READFILES or PUTFILES: XFER_FILESDATAMAX of xfer.x.
    package static let filesDataLimit = 262_144
    /// Bytes of one of their files: XFER_WHOLEMAX of xfer.x.
    package static let fileDataLimit = 65536

    /// The procedures by number.
    package enum ProcedureNumber: UInt32, Sendable, CaseIterable {
        case null, capabilities, checksum, put, publish, segments, readFiles, putFiles

        /// The name in xfer.x: `CHECKSUM`.
        package var name: String { "\(self)".uppercased() }
    }

    /// xferhow: what becomes of a file that has the final name already.
    package enum Existing: UInt32, Hashable, Sendable {
        /// Replaced in one step.
        case replace = 0
        /// Kept: NFS3ERR_EXIST.
        case keep = 1
    }
}

/// One procedure of XFER.
package protocol XferProcedure: StatusProcedure {
    static var number: Xfer.ProcedureNumber { get }
}

extension XferProcedure {
    package static var name: String { "XFER \(number.name)" }
}
