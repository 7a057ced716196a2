import CProtocol

/// entry3 or entryplus3.
package struct DirectoryEntry: Hashable, Sendable {
    package var fileID: UInt64
    package var name: FileName
    /// Where to go on after this entry.
    package var cookie: UInt64
    /// READDIRPLUS alone, and even there not always.
    package var attributes: FileAttributes?
    package var handle: FileHandle?

    package init(
        fileID: UInt64, name: FileName, cookie: UInt64, attributes: FileAttributes? = nil, handle: FileHandle? = nil
    ) {
        self.fileID = fileID
        self.name = name
        self.cookie = cookie
        self.attributes = attributes
        self.handle = handle
    }

    /// Bytes as an element of READDIR's list: the "another follows" word and entry3.
    package var encodedLength: Int { 4 + 8 + 4 + (name.count + 3) & ~3 + 8 }

    /// Bytes as an element of READDIRPLUS's list.
    package var encodedLengthPlus: Int {
        var length = encodedLength + 4 + 4
        if attributes != nil { length += FileAttributes.encodedLength }
        if let handle { length += 4 + (handle.bytes.count + 3) & ~3 }
        return length
    }
}

/// What READDIR and READDIRPLUS answer. The list is walked here, since rpcgen's routines would recurse as deep as the
/// peer likes.
package struct DirectoryListing: Hashable, Sendable {
    package var attributes: FileAttributes?
    package var verifier: NFS.Verifier
    package var entries: [DirectoryEntry]
    /// There is nothing after these entries.
    package var endOfDirectory: Bool

    package init(
        attributes: FileAttributes?, verifier: NFS.Verifier, entries: [DirectoryEntry], endOfDirectory: Bool
    ) {
        self.attributes = attributes
        self.verifier = verifier
        self.entries = entries
        self.endOfDirectory = endOfDirectory
    }

    /// Bytes of the results without entries: the status, the directory's attributes, the verifier, the end of the list
    /// and eof.
    package static func overhead(attributes: FileAttributes?) -> Int {
        4 + 4 + (attributes == nil ? 0 : FileAttributes.encodedLength) + 8 + 4 + 4
    }

    /// Server: the results of NFS3_OK.
    package func encode(plus: Bool) throws(XDREncodingError) -> [UInt8] {
        let length = entries.reduce(Self.overhead(attributes: attributes)) {
            $0 + (plus ? $1.encodedLengthPlus : $1.encodedLength)
        }
        return try XDRWordWriter.bytes(most: length) { write(to: &$0, plus: plus) }
    }

    private func write(to writer: inout XDRWordWriter, plus: Bool) {
        writer.put(NFSStatus.ok.rawValue)
        writer.put(attributes)
        writer.put(verifier)
        for entry in entries {
            writer.put(true)
            writer.put(entry.fileID)
            entry.name.withBytes { writer.put($0, most: FileName.wireLimit) }
            writer.put(entry.cookie)
            guard plus else { continue }
            writer.put(entry.attributes)
            writer.put(entry.handle != nil)
            if let handle = entry.handle { writer.put(handle) }
        }
        writer.put(false)
        writer.put(endOfDirectory)
    }

    /// Server: the results of a failure.
    package static func encode(
        _ status: NFSStatus, _ attributes: FileAttributes?
    ) throws(XDREncodingError) -> [UInt8] {
        var wire = READDIR3res()
        wire.status = status.wire
        wire.READDIR3res_u.resfail.dir_attributes = attributes.wire
        return try XDRCoder.encode(wire, xdr_READDIR3res)
    }

    init(
        _ results: UnsafeRawBufferPointer, plus: Bool, _ procedure: NFS.ProcedureNumber, _ subject: String
    ) throws(NFSError) {
        let malformed = NFSError(malformed: procedure, subject)
        var reader = XDRWordReader(results)
        guard let status = reader.word().map(NFSStatus.init), let attributes = reader.optionalAttributes()
        else { throw malformed }
        guard status == .ok else { throw NFSError(status, procedure, subject) }
        guard let verifier = reader.hyper() else { throw malformed }
        var entries: [DirectoryEntry] = []
        while true {
            guard let follows = reader.bool() else { throw malformed }
            guard follows else { break }
            guard let fileID = reader.hyper(), let name = reader.opaque(most: FileName.wireLimit),
                let cookie = reader.hyper()
            else { throw malformed }
            var entry = DirectoryEntry(fileID: fileID, name: FileName(name), cookie: cookie)
            if plus {
                guard let attributes = reader.optionalAttributes() else { throw malformed }
                entry.attributes = attributes
                guard let hasHandle = reader.bool() else { throw malformed }
                if hasHandle {
                    guard let handle = reader.handle() else { throw malformed }
                    entry.handle = handle
                }
            }
            entries.append(entry)
        }
        guard let endOfDirectory = reader.bool(), reader.position == results.count else { throw malformed }
        self.init(attributes: attributes, verifier: verifier, entries: entries, endOfDirectory: endOfDirectory)
    }
}
