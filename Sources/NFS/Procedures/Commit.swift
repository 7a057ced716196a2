package import CProtocol

extension NFS {
    /// COMMIT, RFC 1813 section 3.3.21.
    package enum Commit: NFSProcedure {
        package struct Arguments: Hashable, Sendable {
            package var file: FileHandle
            /// Bytes from the start of the file.
            package var offset: UInt64
            /// Bytes; 0 is to the end of the file.
            package var count: UInt32

            package init(_ file: FileHandle, offset: UInt64, count: UInt32) {
                self.file = file
                self.offset = offset
                self.count = count
            }
        }

        package struct Success: Hashable, Sendable {
            package var file: WeakCacheData
            /// Another one than a WRITE was answered with: the server restarted and what was unstable may be lost.
            package var verifier: Verifier

            package init(file: WeakCacheData, verifier: Verifier) {
                self.file = file
                self.verifier = verifier
            }
        }

        package typealias Failure = WeakCacheData
        package static let number = ProcedureNumber.commit
    }
}

extension NFS.Commit {
    package static var resultsRoutine: XDRRoutine<COMMIT3res> { xdr_COMMIT3res }
    package static var noResults: COMMIT3res { COMMIT3res() }

    package static func reply(_ wire: COMMIT3res) -> Reply {
        guard wire.status == NFS3_OK else {
            return .failure(NFSStatus(wire.status), WeakCacheData(wire.COMMIT3res_u.resfail.file_wcc))
        }
        let resok = wire.COMMIT3res_u.resok
        return .success(
            Success(
                file: WeakCacheData(resok.file_wcc), verifier: NFS.Verifier(verifier: resok.verf)))
    }

    package static func wire(_ reply: Reply, _ arena: XDRArena) -> COMMIT3res {
        var wire = COMMIT3res()
        switch reply {
        case .success(let success):
            wire.status = NFS3_OK
            wire.COMMIT3res_u.resok.file_wcc = success.file.wire
            wire.COMMIT3res_u.resok.verf = success.verifier.verifier
        case .failure(let status, let failure):
            wire.status = status.wire
            wire.COMMIT3res_u.resfail.file_wcc = failure.wire
        }
        return wire
    }
}

extension NFS.Commit.Arguments: XDRValue {
    package static var routine: XDRRoutine<COMMIT3args> { xdr_COMMIT3args }

    package init(_ wire: COMMIT3args) {
        file = FileHandle(wire.file)
        offset = UInt64(wire.offset)
        count = wire.count
    }

    package func wire(_ arena: XDRArena) -> COMMIT3args {
        COMMIT3args(file: file.wire(arena), offset: offset3(offset), count: count)
    }
}
