package import CProtocol

extension Xfer {
    /// CAPABILITIES: what the server's XFER does for the export of a handle.
    package enum Capabilities: XferProcedure {
        package typealias Arguments = FileHandle

        package struct Success: Hashable, Sendable {
            /// Checksum algorithms by xfer.x's numbers: the bit `1 << (number - 1)`.
            package var algorithms: UInt32
            /// The caller may change what is in the export.
            package var isWritable: Bool
            /// The server takes a KeyUpdate on the connection that this was asked on.
            package var takesKeyUpdates: Bool
            /// Bytes of data that a PUT may have.
            package var putMaximum: UInt32
            /// Digests in one reply to CHECKSUM.
            package var digestMaximum: UInt32
            /// Bytes of file that one CHECKSUM covers, and that a block may have.
            package var rangeMaximum: UInt64
            /// Segments in one reply to SEGMENTS.
            package var segmentMaximum: UInt32
            /// READs of at most ``wholeReadMaximum`` bytes are answered with the attributes after the reading.
            package var hasWholeReads: Bool
            /// There are READFILES and PUTFILES.
            package var hasManyFiles: Bool

            package init(
                algorithms: UInt32, isWritable: Bool, takesKeyUpdates: Bool = false, putMaximum: UInt32,
                digestMaximum: UInt32, rangeMaximum: UInt64, segmentMaximum: UInt32, hasWholeReads: Bool = false,
                hasManyFiles: Bool = false
            ) {
                self.hasManyFiles = hasManyFiles
                self.hasWholeReads = hasWholeReads
                self.algorithms = algorithms
                self.isWritable = isWritable
                self.takesKeyUpdates = takesKeyUpdates
                self.putMaximum = putMaximum
                self.digestMaximum = digestMaximum
                self.rangeMaximum = rangeMaximum
                self.segmentMaximum = segmentMaximum
            }
        }

        /// Bytes.
        package static let wholeReadMaximum = Int(XFER_WHOLEMAX)

        package typealias Failure = Nothing
        package static let number = ProcedureNumber.capabilities
    }
}

extension Xfer.Capabilities {
    package static var resultsRoutine: XDRRoutine<CAPABILITIESres> { xdr_CAPABILITIESres }
    package static var noResults: CAPABILITIESres { CAPABILITIESres() }

    package static func reply(_ wire: CAPABILITIESres) -> Reply {
        guard wire.status == NFS3_OK else { return .failure(NFSStatus(wire.status), Nothing()) }
        let resok = wire.CAPABILITIESres_u.resok
        return .success(
            Success(
                algorithms: resok.algorithms, isWritable: resok.properties & UInt32(XFER_WRITABLE) != 0,
                takesKeyUpdates: resok.properties & UInt32(XFER_KEYUPDATE) != 0,
                putMaximum: resok.putmax, digestMaximum: resok.digestsmax, rangeMaximum: UInt64(resok.rangemax),
                segmentMaximum: resok.segmentsmax, hasWholeReads: resok.properties & UInt32(XFER_WHOLEREADS) != 0,
                hasManyFiles: resok.properties & UInt32(XFER_MANYFILES) != 0))
    }

    package static func wire(_ reply: Reply, _ arena: XDRArena) -> CAPABILITIESres {
        var wire = CAPABILITIESres()
        switch reply {
        case .success(let success):
            wire.status = NFS3_OK
            wire.CAPABILITIESres_u.resok = CAPABILITIESresok(
                algorithms: success.algorithms,
                properties: (success.isWritable ? UInt32(XFER_WRITABLE) : 0)
                    | (success.takesKeyUpdates ? UInt32(XFER_KEYUPDATE) : 0)
                    | (success.hasWholeReads ? UInt32(XFER_WHOLEREADS) : 0)
                    | (success.hasManyFiles ? UInt32(XFER_MANYFILES) : 0),
                putmax: success.putMaximum, digestsmax: success.digestMaximum,
                rangemax: CProtocol.uint64(success.rangeMaximum), segmentsmax: success.segmentMaximum)
        case .failure(let status, _): wire.status = status.wire
        }
        return wire
    }
}
