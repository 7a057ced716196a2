package import CProtocol

/// nfs_fh3: what a server calls a file, opaque to everybody else (RFC 1813 section 2.3.3).
package struct FileHandle: Hashable, Sendable {
    /// RFC 1813 section 2.4: NFS3_FHSIZE.
    package static let limit = 64

    package let bytes: [UInt8]

    /// - Returns: nil where there are more than ``limit`` bytes.
    package init?(_ bytes: [UInt8]) {
        guard bytes.count <= Self.limit else { return nil }
        self.bytes = bytes
    }

    package func hash(into hasher: inout Hasher) { bytes.withUnsafeBytes { hasher.combine(bytes: $0) } }
    package static func == (a: FileHandle, b: FileHandle) -> Bool { a.bytes.isSame(as: b.bytes) }

    package func wire(_ arena: XDRArena) -> nfs_fh3 {
        var wire = nfs_fh3()
        wire.data.data_len = UInt32(clamping: bytes.count)
        wire.data.data_val = arena.copy(bytes)
        return wire
    }
}

extension FileHandle: XDRValue {
    package static var routine: XDRRoutine<nfs_fh3> { xdr_nfs_fh3 }
    package init(_ wire: nfs_fh3) {
        // The routine has checked the length against NFS3_FHSIZE.
        bytes = Array(length: wire.data.data_len, bytes: wire.data.data_val)
    }
}
