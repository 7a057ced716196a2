package import CProtocol

extension NFS {
    /// FSSTAT, RFC 1813 section 3.3.18.
    package enum FSStat: NFSProcedure {
        package typealias Arguments = FileHandle

        package struct Success: Hashable, Sendable {
            package var attributes: FileAttributes?
            /// Bytes of the file system.
            package var totalBytes: UInt64
            package var freeBytes: UInt64
            /// Bytes that the caller may use.
            package var availableBytes: UInt64
            package var totalFiles: UInt64
            package var freeFiles: UInt64
            package var availableFiles: UInt64
            /// For how long this is likely to stay true.
            package var invariantSeconds: UInt32

            package init(
                attributes: FileAttributes?, totalBytes: UInt64, freeBytes: UInt64,
                availableBytes: UInt64, totalFiles: UInt64, freeFiles: UInt64, availableFiles: UInt64,
                invariantSeconds: UInt32
            ) {
                self.attributes = attributes
                self.totalBytes = totalBytes
                self.freeBytes = freeBytes
                self.availableBytes = availableBytes
                self.totalFiles = totalFiles
                self.freeFiles = freeFiles
                self.availableFiles = availableFiles
                self.invariantSeconds = invariantSeconds
            }
        }

        package typealias Failure = FileAttributes?
        package static let number = ProcedureNumber.fsStat
    }
}

extension NFS.FSStat {
    package static var resultsRoutine: XDRRoutine<FSSTAT3res> { xdr_FSSTAT3res }
    package static var noResults: FSSTAT3res { FSSTAT3res() }

    package static func reply(_ wire: FSSTAT3res) -> Reply {
        guard wire.status == NFS3_OK else {
            return .failure(NFSStatus(wire.status), FileAttributes?(wire.FSSTAT3res_u.resfail.obj_attributes))
        }
        let resok = wire.FSSTAT3res_u.resok
        return .success(
            Success(
                attributes: FileAttributes?(resok.obj_attributes), totalBytes: UInt64(resok.tbytes),
                freeBytes: UInt64(resok.fbytes), availableBytes: UInt64(resok.abytes),
                totalFiles: UInt64(resok.tfiles), freeFiles: UInt64(resok.ffiles),
                availableFiles: UInt64(resok.afiles), invariantSeconds: resok.invarsec))
    }

    package static func wire(_ reply: Reply, _ arena: XDRArena) -> FSSTAT3res {
        var wire = FSSTAT3res()
        switch reply {
        case .success(let success):
            wire.status = NFS3_OK
            wire.FSSTAT3res_u.resok.obj_attributes = success.attributes.wire
            wire.FSSTAT3res_u.resok.tbytes = size3(success.totalBytes)
            wire.FSSTAT3res_u.resok.fbytes = size3(success.freeBytes)
            wire.FSSTAT3res_u.resok.abytes = size3(success.availableBytes)
            wire.FSSTAT3res_u.resok.tfiles = size3(success.totalFiles)
            wire.FSSTAT3res_u.resok.ffiles = size3(success.freeFiles)
            wire.FSSTAT3res_u.resok.afiles = size3(success.availableFiles)
            wire.FSSTAT3res_u.resok.invarsec = success.invariantSeconds
        case .failure(let status, let failure):
            wire.status = status.wire
            wire.FSSTAT3res_u.resfail.obj_attributes = failure.wire
        }
        return wire
    }
}
