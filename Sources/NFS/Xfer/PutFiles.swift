import CProtocol

extension Xfer {
    /// PUTFILES: small files, each whole, many in one call. Its words are written and read by hand, see ``XDRWordWriter``.
    package enum PutFiles {
        package static let number = ProcedureNumber.putFiles
        package static let name = "XFER \(number.name)"

        /// One of the files, without its data.
        package struct File: Hashable, Sendable {
            package var directory: FileHandle
            package var name: FileName
            /// The server's to use in the directory, and to replace what has it.
            package var temporary: FileName
            /// Without a size.
            package var attributes: SetAttributes

            package init(
                _ directory: FileHandle, _ name: FileName, temporary: FileName, attributes: SetAttributes
            ) {
                self.directory = directory
                self.name = name
                self.temporary = temporary
                self.attributes = attributes
            }
        }

        package struct Arguments: Hashable, Sendable {
            /// Any of the export that the directories are in.
            package var object: FileHandle
            package var existing: Existing
            /// Data, attributes and names are on disk before the reply.
            package var synchronize: Bool

            package init(_ object: FileHandle, existing: Existing = .replace, synchronize: Bool = true) {
                self.object = object
                self.existing = existing
                self.synchronize = synchronize
            }
        }

        /// Client: arguments that are being made, file by file.
        package struct Call {
            package private(set) var bytes: [UInt8]
            private let countPosition: Int
            package private(set) var count = 0
            /// Bytes of data so far.
            package private(set) var data = 0

            package init(_ arguments: Arguments) throws(XDREncodingError) {
                bytes = try XDRWordWriter.bytes(most: 16 + FileHandle.limit) { writer in
                    writer.put(arguments.object)
                    writer.put(arguments.existing.rawValue)
                    writer.put(arguments.synchronize)
                    writer.put(0 as UInt32)
                }
                countPosition = bytes.count - 4
            }

            /// Appends a file.
            ///
            /// - Throws: where a name is too long, or there are more files or bytes than a call may have.
            package mutating func append(_ file: File, _ data: UnsafeRawBufferPointer) throws(XDREncodingError) {
                guard count < Xfer.filesLimit, data.count <= Xfer.filesDataLimit - self.data else {
                    throw XDREncodingError()
                }
                let most = PutFiles.headLimit + file.name.count + file.temporary.count + data.count
                bytes += try XDRWordWriter.bytes(most: most) { writer in
                    writer.put(file.directory)
                    file.name.withBytes { writer.put($0, most: FileName.wireLimit) }
                    file.temporary.withBytes { writer.put($0, most: FileName.wireLimit) }
                    writer.put(file.attributes)
                    writer.put(data, most: Xfer.fileDataLimit)
                }
                count += 1
                self.data += data.count
                bytes.setWord(UInt32(truncatingIfNeeded: count), at: countPosition)
            }
        }

        /// Bytes of a file in the arguments at most, without its names and its data.
        fileprivate static let headLimit = 4 + FileHandle.limit + 2 * (4 + 3) + 60 + 4 + 3

        /// Bytes that the arguments have at most.
        package static let argumentLimit =
            16 + FileHandle.limit + Xfer.filesLimit * (headLimit + 2 * FileName.wireLimit) + Xfer.filesDataLimit

        /// Server: the arguments, and where each file's data is in them; nil where they are malformed.
        package static func decode(
            _ bytes: UnsafeRawBufferPointer
        ) -> (arguments: Arguments, files: [(file: File, data: Range<Int>)])? {
            var reader = XDRWordReader(bytes)
            guard let object = reader.handle(), let existing = reader.word().flatMap(Existing.init),
                let synchronize = reader.bool(), let count = reader.word(), count <= Xfer.filesLimit
            else { return nil }
            var files: [(file: File, data: Range<Int>)] = []
            files.reserveCapacity(Int(count))
            for _ in 0..<count {
                guard let directory = reader.handle(), let name = reader.name(), let temporary = reader.name(),
                    let attributes = reader.setAttributes(), let data = reader.range(most: Xfer.fileDataLimit)
                else { return nil }
                files.append((File(directory, name, temporary: temporary, attributes: attributes), data))
            }
            guard reader.position == bytes.count,
                files.reduce(0, { $0 + $1.data.count }) <= Xfer.filesDataLimit
            else { return nil }
            return (Arguments(object, existing: existing, synchronize: synchronize), files)
        }

        /// Server: the results.
        package static func encode(_ statuses: [NFSStatus]) throws(XDREncodingError) -> [UInt8] {
            guard statuses.count <= Xfer.filesLimit else { throw XDREncodingError() }
            return try XDRWordWriter.bytes(most: 8 + 4 * statuses.count) { writer in
                writer.put(NFSStatus.ok.rawValue)
                writer.put(UInt32(truncatingIfNeeded: statuses.count))
                for status in statuses { writer.put(status.rawValue) }
            }
        }

        /// Client: what became of each file.
        ///
        /// - Returns: nil where the results are malformed.
        package static func decodeReply(_ results: UnsafeRawBufferPointer) -> NFSReply<[NFSStatus], Nothing>? {
            var reader = XDRWordReader(results)
            guard let status = reader.word().map(NFSStatus.init) else { return nil }
            guard status == .ok else { return .failure(status, Nothing()) }
            guard let count = reader.word(), count <= Xfer.filesLimit else { return nil }
            var statuses: [NFSStatus] = []
            for _ in 0..<count {
                guard let status = reader.word().map(NFSStatus.init) else { return nil }
                statuses.append(status)
            }
            return reader.position == results.count ? .success(statuses) : nil
        }
    }
}
