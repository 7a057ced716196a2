package import CProtocol
package import RPC

extension NFS {
    /// READ, RFC 1813 section 3.3.6. The data never goes through XDR: it stands at the end of the results.
    package enum Read {
        package static let number = ProcedureNumber.read

        package struct Arguments: Hashable, Sendable {
            package var file: FileHandle
            /// Bytes from the start of the file.
            package var offset: UInt64
            /// Bytes.
            package var count: UInt32

            package init(_ file: FileHandle, offset: UInt64, count: UInt32) {
                self.file = file
                self.offset = offset
                self.count = count
            }
        }

        /// READ3resok up to and including the length word of the data.
        package struct Header: Hashable, Sendable {
            package var attributes: FileAttributes?
            /// Bytes of data, which follow the header and are padded to a multiple of four.
            package var count: UInt32
            /// The data ends where the file ends.
            package var endOfFile: Bool

            package init(attributes: FileAttributes?, count: UInt32, endOfFile: Bool) {
                self.attributes = attributes
                self.count = count
                self.endOfFile = endOfFile
            }
        }

        /// Server: the results of NFS3_OK up to and including the length word of the data.
        package static func encode(_ header: Header) throws(XDREncodingError) -> [UInt8] {
            var wire = READ3res()
            wire.status = NFS3_OK
            wire.READ3res_u.resok.file_attributes = header.attributes.wire
            wire.READ3res_u.resok.count = header.count
            wire.READ3res_u.resok.eof = header.endOfFile ? 1 : 0
            // Encoded as empty; then the last word, which is its length, becomes what follows.
            var bytes = try XDRCoder.encode(wire, xdr_READ3res)
            bytes.setLastWord(header.count)
            return bytes
        }

        /// Server: the results of a failure.
        package static func encode(_ status: NFSStatus, _ attributes: FileAttributes?) throws(XDREncodingError)
            -> [UInt8]
        {
            var wire = READ3res()
            wire.status = status.wire
            wire.READ3res_u.resfail.file_attributes = attributes.wire
            return try XDRCoder.encode(wire, xdr_READ3res)
        }

        /// Client: the results up to the data.
        ///
        /// - Parameters:
        ///   - results: at least everything before the data.
        ///   - subject: what the call was about, for the error: a path.
        /// - Returns: the header, and how many bytes it has.
        /// - Throws: ``NFSError`` where the status is not NFS3_OK or the header is malformed.
        package static func decode(
            _ results: UnsafeRawBufferPointer, subject: String
        ) throws(NFSError) -> (header: Header, length: Int) {
            var reader = XDRReader(results)
            guard let status = reader.word().map(NFSStatus.init),
                let attributes = reader.next(post_op_attr(), xdr_post_op_attr, FileAttributes?.init)
            else { throw NFSError(malformed: number, subject) }
            guard status == .ok else { throw NFSError(status, number, subject) }
            guard let count = reader.word(), let endOfFile = reader.bool(), let length = reader.word(), length == count,
                length <= payloadLimit
            else { throw NFSError(malformed: number, subject) }
            return (Header(attributes: attributes, count: count, endOfFile: endOfFile), reader.position)
        }
    }

    /// Client: where the data of a READ's reply stands in the bytes after the accepted reply's header.
    ///
    /// - Parameter results: the first of those bytes, as many as came so far.
    /// - Returns: none for a failed READ, and for lengths that break the limits, which ``Read/decode(_:subject:)``
    ///   refuses.
    package static func readReplyPayload(results: UnsafeRawBufferPointer) -> PayloadPosition {
        // status, then whether attributes follow
        guard results.count >= 8 else {
            // A failure may be these 8 bytes and nothing more, so no more is waited for.
            return results.count >= 4 && results.word(at: 0) != 0 ? .none : .needs(8)
        }
        guard results.word(at: 0) == 0, let follow = results.word(at: 4), follow <= 1 else { return .none }
        // attributes, count, eof, length
        let header = 8 + (follow == 1 ? FileAttributes.encodedLength : 0) + 12
        guard let length = results.word(at: header - 4) else { return .needs(header) }
        guard length <= payloadLimit, length == results.word(at: header - 12) else { return .none }
        return .at(offset: header, count: Int(length))
    }
}

extension NFS.Read.Arguments: XDRValue {
    package static var routine: XDRRoutine<READ3args> { xdr_READ3args }

    package init(_ wire: READ3args) {
        file = FileHandle(wire.file)
        offset = UInt64(wire.offset)
        count = wire.count
    }

    package func wire(_ arena: XDRArena) -> READ3args {
        READ3args(file: file.wire(arena), offset: offset3(offset), count: count)
    }
}

extension [UInt8] {
    /// Overwrites the last 4 bytes.
    mutating func setLastWord(_ word: UInt32) { setWord(word, at: count - 4) }

    /// Overwrites 4 bytes.
    mutating func setWord(_ word: UInt32, at position: Int) {
        guard position >= 0, count - 4 >= position else { return }
        Swift.withUnsafeBytes(of: word.bigEndian) { replaceSubrange(position..<(position + 4), with: $0) }
    }
}
