package import CProtocol

extension NFS {
    /// READDIR, RFC 1813 section 3.3.16.
    package enum ReadDir {
        package static let number = ProcedureNumber.readDir

        package struct Arguments: Hashable, Sendable {
            package var directory: FileHandle
            /// 0 for the first call, then the cookie of the last entry that came.
            package var cookie: UInt64
            /// 0 for the first call, then what the first reply had.
            package var verifier: Verifier
            /// Bytes the results may have: all of READDIR3resok.
            package var count: UInt32

            package init(_ directory: FileHandle, cookie: UInt64 = 0, verifier: Verifier = 0, count: UInt32) {
                self.directory = directory
                self.cookie = cookie
                self.verifier = verifier
                self.count = count
            }
        }

        /// Client: what the server answered.
        ///
        /// - Parameters:
        ///   - results: all that follows the accepted reply's header.
        ///   - subject: what the call was about, for the error: a path.
        /// - Throws: ``NFSError`` where the status is not NFS3_OK or the results are malformed.
        package static func decode(_ results: UnsafeRawBufferPointer, subject: String) throws(NFSError)
            -> DirectoryListing
        {
            try DirectoryListing(results, plus: false, number, subject)
        }
    }
}

extension NFS.ReadDir.Arguments: XDRValue {
    package static var routine: XDRRoutine<READDIR3args> { xdr_READDIR3args }

    package init(_ wire: READDIR3args) {
        directory = FileHandle(wire.dir)
        cookie = UInt64(wire.cookie)
        verifier = NFS.Verifier(verifier: wire.cookieverf)
        count = wire.count
    }

    package func wire(_ arena: XDRArena) -> READDIR3args {
        READDIR3args(
            dir: directory.wire(arena), cookie: cookie3(cookie), cookieverf: verifier.verifier, count: count)
    }
}
