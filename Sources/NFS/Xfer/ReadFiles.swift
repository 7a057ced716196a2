import CProtocol

extension Xfer {
    /// READFILES: small files, each whole, many in one call. Its words are written and read by hand, see ``XDRWordWriter``.
    package enum ReadFiles {
        package static let number = ProcedureNumber.readFiles
        package static let name = "XFER \(number.name)"

        package struct Arguments: Hashable, Sendable {
            /// Any of the export that the files are in.
            package var object: FileHandle
            /// At most ``Xfer/filesLimit``.
            package var files: [FileHandle]

            package init(_ object: FileHandle, _ files: [FileHandle]) {
                self.object = object
                self.files = files
            }
        }

        /// One file of a reply.
        package struct File: Hashable, Sendable {
            package var status: NFSStatus
            /// Where its bytes are in the results.
            package var data: Range<Int>
            /// Those of after the reading.
            package var attributes: FileAttributes?
        }

        /// Client: the arguments.
        package static func encode(_ arguments: Arguments) throws(XDREncodingError) -> [UInt8] {
            guard arguments.files.count <= Xfer.filesLimit else { throw XDREncodingError() }
            return try XDRWordWriter.bytes(most: (arguments.files.count + 2) * (4 + FileHandle.limit)) { writer in
                writer.put(arguments.object)
                writer.put(UInt32(truncatingIfNeeded: arguments.files.count))
                for file in arguments.files { writer.put(file) }
            }
        }

        /// Server: the arguments; nil where they are malformed.
        package static func decode(_ bytes: UnsafeRawBufferPointer) -> Arguments? {
            var reader = XDRWordReader(bytes)
            guard let object = reader.handle(), let count = reader.word(), count <= Xfer.filesLimit else { return nil }
            var arguments = Arguments(object, [])
            arguments.files.reserveCapacity(Int(count))
            for _ in 0..<count {
                guard let file = reader.handle() else { return nil }
                arguments.files.append(file)
            }
            return reader.position == bytes.count ? arguments : nil
        }

        /// Client: what came of each file, in the order of the call, of the first ones at least.
        ///
        /// - Returns: nil where the results are malformed.
        package static func decodeReply(_ results: UnsafeRawBufferPointer) -> NFSReply<[File], Nothing>? {
            var reader = XDRWordReader(results)
            guard let status = reader.word().map(NFSStatus.init) else { return nil }
            guard status == .ok else { return .failure(status, Nothing()) }
            guard let count = reader.word(), count <= Xfer.filesLimit else { return nil }
            var files: [File] = []
            files.reserveCapacity(Int(count))
            for _ in 0..<count {
                guard let status = reader.word().map(NFSStatus.init), let data = reader.range(most: Xfer.fileDataLimit),
                    let attributes = reader.optionalAttributes()
                else { return nil }
                files.append(File(status: status, data: data, attributes: attributes))
            }
            return reader.position == results.count ? .success(files) : nil
        }

        /// Server: results that are being made, file by file.
        package struct Results: ~Copyable {
            private var writer: XDRWordWriter
            private var count: UInt32 = 0
            /// Bytes of data so far.
            package private(set) var data = 0

            /// Bytes that the results of so many files have at most.
            private static func limit(files: Int) -> Int {
                // Status; length and padding; attributes.
                8 + files * (4 + 4 + 3 + 4 + FileAttributes.encodedLength) + Xfer.filesDataLimit
            }

            private init(_ writer: consuming XDRWordWriter) {
                self.writer = writer
                self.writer.put(NFSStatus.ok.rawValue)
                self.writer.put(count)
            }

            /// The results of a call for `files` files.
            ///
            /// - Parameter fill: appends as many of them as fit, in their order.
            package static func make(
                files: Int, _ fill: (inout Results) -> Void
            ) throws(XDREncodingError) -> [UInt8] {
                try XDRWordWriter.bytes(most: limit(files: files)) { writer in
                    var results = Results(writer)
                    fill(&results)
                    writer = results.finish()
                }
            }

            private consuming func finish() -> XDRWordWriter {
                writer.change(at: 4, to: count)
                return writer
            }

            /// Appends a file.
            ///
            /// - Parameters:
            ///   - bytes: how many it has: at most ``Xfer/fileDataLimit``, and with those that are there
            ///     ``Xfer/filesDataLimit``.
            ///   - read: reads them, and returns how many there were.
            ///   - attributes: asked for after that.
            package mutating func append(
                _ bytes: Int, _ read: (UnsafeMutableRawBufferPointer) throws(NFSStatus) -> Int,
                _ attributes: () throws(NFSStatus) -> FileAttributes
            ) throws(NFSStatus) {
                let start = writer.position
                do throws(NFSStatus) {
                    writer.put(NFSStatus.ok.rawValue)
                    try writer.put(most: bytes, read)
                    writer.put(.some(try attributes()))
                } catch {
                    writer.goBack(to: start)
                    throw error
                }
                count += 1
                data += bytes
            }

            /// Appends what keeps a file from being read.
            package mutating func append(_ status: NFSStatus) {
                writer.put(status.rawValue)
                writer.put(0 as UInt32)
                writer.put(nil as FileAttributes?)
                count += 1
            }
        }
    }
}
