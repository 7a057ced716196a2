package import CProtocol

extension NFS {
    /// READDIRPLUS, RFC 1813 section 3.3.17.
    package enum ReadDirPlus {
        package static let number = ProcedureNumber.readDirPlus

        package struct Arguments: Hashable, Sendable {
            package var directory: FileHandle
            /// 0 for the first call, then the cookie of the last entry that came.
            package var cookie: UInt64
            /// 0 for the first call, then what the first reply had.
            package var verifier: Verifier
            /// Bytes the names, cookies and file numbers may have.
            package var directoryCount: UInt32
            /// Bytes the results may have: all of READDIRPLUS3resok.
            package var maximumCount: UInt32

            package init(
                _ directory: FileHandle, cookie: UInt64 = 0, verifier: Verifier = 0, directoryCount: UInt32,
                maximumCount: UInt32
            ) {
                self.directory = directory
                self.cookie = cookie
                self.verifier = verifier
                self.directoryCount = directoryCount
                self.maximumCount = maximumCount
            }
        }

        /// Client: what the server answered; see ``ReadDir/decode(_:subject:)``.
        package static func decode(_ results: UnsafeRawBufferPointer, subject: String) throws(NFSError)
            -> DirectoryListing
        {
            try DirectoryListing(results, plus: true, number, subject)
        }
    }
}

extension NFS.ReadDirPlus.Arguments: XDRValue {
    package static var routine: XDRRoutine<READDIRPLUS3args> { xdr_READDIRPLUS3args }

    package init(_ wire: READDIRPLUS3args) {
        directory = FileHandle(wire.dir)
        cookie = UInt64(wire.cookie)
        verifier = NFS.Verifier(verifier: wire.cookieverf)
        directoryCount = wire.dircount
        maximumCount = wire.maxcount
    }

    package func wire(_ arena: XDRArena) -> READDIRPLUS3args {
        READDIRPLUS3args(
            dir: directory.wire(arena), cookie: cookie3(cookie), cookieverf: verifier.verifier,
            dircount: directoryCount, maxcount: maximumCount)
    }
}
