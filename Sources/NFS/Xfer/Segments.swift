package import CProtocol

extension Xfer {
    /// SEGMENTS: where a sparse file has data.
    package enum Segments: XferProcedure {
        package struct Arguments: Hashable, Sendable {
            package var file: FileHandle
            /// Bytes from the start of the file.
            package var offset: UInt64
            /// Segments at most.
            package var count: UInt32

            package init(_ file: FileHandle, offset: UInt64, count: UInt32) {
                self.file = file
                self.offset = offset
                self.count = count
            }
        }

        /// Bytes of a file that are data. Of a peer's, the sum may be more than 64 bits have.
        package struct Segment: Hashable, Sendable {
            package var offset: UInt64
            package var count: UInt64

            package init(offset: UInt64, count: UInt64) {
                self.offset = offset
                self.count = count
            }
        }

        package struct Success: Hashable, Sendable {
            package var attributes: FileAttributes?
            /// Whether the last segment is the file's last.
            package var endOfFile: Bool
            package var segments: [Segment]

            package init(attributes: FileAttributes?, endOfFile: Bool, segments: [Segment]) {
                self.attributes = attributes
                self.endOfFile = endOfFile
                self.segments = segments
            }
        }

        package typealias Failure = FileAttributes?
        package static let number = ProcedureNumber.segments
    }
}

extension Xfer.Segments.Arguments: XDRValue {
    package static var routine: XDRRoutine<SEGMENTSargs> { xdr_SEGMENTSargs }

    package init(_ wire: SEGMENTSargs) {
        self.init(FileHandle(wire.file), offset: UInt64(wire.offset), count: wire.count)
    }

    package func wire(_ arena: XDRArena) -> SEGMENTSargs {
        SEGMENTSargs(file: file.wire(arena), offset: offset3(offset), count: count)
    }
}

extension Xfer.Segments {
    package static var resultsRoutine: XDRRoutine<SEGMENTSres> { xdr_SEGMENTSres }
    package static var noResults: SEGMENTSres { SEGMENTSres() }

    package static func reply(_ wire: SEGMENTSres) -> Reply {
        guard wire.status == NFS3_OK else {
            return .failure(
                NFSStatus(wire.status), FileAttributes?(wire.SEGMENTSres_u.resfail.file_attributes))
        }
        let resok = wire.SEGMENTSres_u.resok
        let segments = UnsafeBufferPointer(
            start: resok.segments.segments_val, count: Int(resok.segments.segments_len))
        return .success(
            Success(
                attributes: FileAttributes?(resok.file_attributes), endOfFile: resok.eof != 0,
                segments: segments.map { Segment(offset: UInt64($0.offset), count: UInt64($0.count)) }))
    }

    package static func wire(_ reply: Reply, _ arena: XDRArena) -> SEGMENTSres {
        var wire = SEGMENTSres()
        switch reply {
        case .success(let success):
            wire.status = NFS3_OK
            wire.SEGMENTSres_u.resok.file_attributes = success.attributes.wire
            wire.SEGMENTSres_u.resok.eof = success.endOfFile ? 1 : 0
            wire.SEGMENTSres_u.resok.segments.segments_len = UInt32(clamping: success.segments.count)
            wire.SEGMENTSres_u.resok.segments.segments_val = arena.copy(
                success.segments.map {
                    xfersegment(offset: offset3($0.offset), count: CProtocol.uint64($0.count))
                })
        case .failure(let status, let attributes):
            wire.status = status.wire
            wire.SEGMENTSres_u.resfail.file_attributes = attributes.wire
        }
        return wire
    }
}
