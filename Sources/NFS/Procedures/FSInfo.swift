package import CProtocol

extension NFS {
    /// FSINFO, RFC 1813 section 3.3.19.
    package enum FSInfo: NFSProcedure {
        package typealias Arguments = FileHandle

        package struct Success: Hashable, Sendable {
            package var attributes: FileAttributes?
            /// Bytes: rtmax.
            package var readMaximum: UInt32
            package var readPreferred: UInt32
            package var readMultiple: UInt32
            /// Bytes: wtmax.
            package var writeMaximum: UInt32
            package var writePreferred: UInt32
            package var writeMultiple: UInt32
            package var directoryPreferred: UInt32
            /// Bytes.
            package var maximumFileSize: UInt64
            /// The server's time granularity.
            package var timeDelta: NFSTime
            /// FSF3_LINK 1, FSF3_SYMLINK 2, FSF3_HOMOGENEOUS 8, FSF3_CANSETTIME 16.
            package var properties: UInt32

            package init(
                attributes: FileAttributes?, readMaximum: UInt32, readPreferred: UInt32,
                readMultiple: UInt32, writeMaximum: UInt32, writePreferred: UInt32,
                writeMultiple: UInt32, directoryPreferred: UInt32, maximumFileSize: UInt64,
                timeDelta: NFSTime, properties: UInt32
            ) {
                self.attributes = attributes
                self.readMaximum = readMaximum
                self.readPreferred = readPreferred
                self.readMultiple = readMultiple
                self.writeMaximum = writeMaximum
                self.writePreferred = writePreferred
                self.writeMultiple = writeMultiple
                self.directoryPreferred = directoryPreferred
                self.maximumFileSize = maximumFileSize
                self.timeDelta = timeDelta
                self.properties = properties
            }
        }

        package typealias Failure = FileAttributes?
        package static let number = ProcedureNumber.fsInfo
    }
}

extension NFS.FSInfo {
    package static var resultsRoutine: XDRRoutine<FSINFO3res> { xdr_FSINFO3res }
    package static var noResults: FSINFO3res { FSINFO3res() }

    package static func reply(_ wire: FSINFO3res) -> Reply {
        guard wire.status == NFS3_OK else {
            return .failure(NFSStatus(wire.status), FileAttributes?(wire.FSINFO3res_u.resfail.obj_attributes))
        }
        let resok = wire.FSINFO3res_u.resok
        return .success(
            Success(
                attributes: FileAttributes?(resok.obj_attributes), readMaximum: resok.rtmax,
                readPreferred: resok.rtpref, readMultiple: resok.rtmult, writeMaximum: resok.wtmax,
                writePreferred: resok.wtpref, writeMultiple: resok.wtmult,
                directoryPreferred: resok.dtpref, maximumFileSize: UInt64(resok.maxfilesize),
                timeDelta: NFSTime(resok.time_delta), properties: resok.properties))
    }

    package static func wire(_ reply: Reply, _ arena: XDRArena) -> FSINFO3res {
        var wire = FSINFO3res()
        switch reply {
        case .success(let success):
            wire.status = NFS3_OK
            wire.FSINFO3res_u.resok.obj_attributes = success.attributes.wire
            wire.FSINFO3res_u.resok.rtmax = success.readMaximum
            wire.FSINFO3res_u.resok.rtpref = success.readPreferred
            wire.FSINFO3res_u.resok.rtmult = success.readMultiple
            wire.FSINFO3res_u.resok.wtmax = success.writeMaximum
            wire.FSINFO3res_u.resok.wtpref = success.writePreferred
            wire.FSINFO3res_u.resok.wtmult = success.writeMultiple
            wire.FSINFO3res_u.resok.dtpref = success.directoryPreferred
            wire.FSINFO3res_u.resok.maxfilesize = size3(success.maximumFileSize)
            wire.FSINFO3res_u.resok.time_delta = success.timeDelta.wire
            wire.FSINFO3res_u.resok.properties = success.properties
        case .failure(let status, let failure):
            wire.status = status.wire
            wire.FSINFO3res_u.resfail.obj_attributes = failure.wire
        }
        return wire
    }
}
