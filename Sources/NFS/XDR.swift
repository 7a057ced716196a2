package import CProtocol

/// A type's routine of libtirpc or of rpcgen, which encodes, decodes or frees by what the stream is for (xdr(3)).
package typealias XDRRoutine<Wire> = (UnsafeMutablePointer<XDR>?, UnsafeMutablePointer<Wire>?) -> bool_t

/// A Swift value that stands for a C struct of rpcgen's.
package protocol XDRValue: Sendable {
    associatedtype Wire
    static var routine: XDRRoutine<Wire> { get }
    /// Copies what it needs: `wire` is freed afterwards.
    init(_ wire: Wire)
    /// What the struct points to is in `arena` and lives as long.
    func wire(_ arena: XDRArena) -> Wire
}

/// A value that does not fit in the limits of its protocol: a name or a path that is too long.
package struct XDREncodingError: Error, Sendable, CustomStringConvertible {
    package var description: String { "a name or a path is longer than the protocol allows" }
}

/// C memory that what is being encoded points to.
package final class XDRArena {
    private var blocks: [UnsafeMutableRawPointer] = []

    package init() {}

    deinit { for block in blocks { block.deallocate() } }

    /// A copy of `bytes`, at least one byte long.
    package func copy(_ bytes: some Collection<UInt8>) -> UnsafeMutablePointer<CChar> {
        let block = UnsafeMutableRawBufferPointer.allocate(byteCount: max(1, bytes.count), alignment: 8)
        block.copyBytes(from: bytes)
        // Never nil: at least a byte was asked for.
        guard let base = block.baseAddress else { fatalError("an allocation without an address") }
        blocks.append(base)
        return base.assumingMemoryBound(to: CChar.self)
    }
}

extension XDRArena {
    /// A copy of C structs.
    func copy<Value: BitwiseCopyable>(_ values: [Value]) -> UnsafeMutablePointer<Value> {
        let bytes = values.withUnsafeBytes { copy($0) }
        return UnsafeMutableRawPointer(bytes).bindMemory(to: Value.self, capacity: values.count)
    }
}

/// Encoding and decoding by libtirpc's memory streams.
package enum XDRCoder {
    /// Encodes with `routine`.
    ///
    /// - Throws: ``XDREncodingError`` where the value breaks a limit of the `.x` file.
    package static func encode<Wire>(_ wire: Wire, _ routine: XDRRoutine<Wire>) throws(XDREncodingError) -> [UInt8] {
        // Nearly everything is some hundred bytes; the largest value has two names and two handles or one path.
        for capacity in [1024, 16 << 10] {
            let bytes = withUnsafeTemporaryAllocation(byteCount: capacity, alignment: 8) { buffer -> [UInt8]? in
                var stream = XDR()
                var copy = wire
                tlsd_xdr_write(&stream, buffer.baseAddress, capacity)
                guard routine(&stream, &copy) != 0 else { return nil }
                return Array(buffer.prefix(tlsd_xdr_position(&stream)))
            }
            if let bytes { return bytes }
        }
        throw XDREncodingError()
    }

    package static func encode<V: XDRValue>(_ value: V) throws(XDREncodingError) -> [UInt8] {
        let arena = XDRArena()
        defer { withExtendedLifetime(arena) {} }
        return try encode(value.wire(arena), V.routine)
    }

    /// Decodes all of `bytes`.
    ///
    /// - Parameter body: gets the struct, which is freed afterwards.
    /// - Returns: nil where the bytes are not one such value and nothing after it.
    package static func decode<Wire, R>(
        _ bytes: UnsafeRawBufferPointer, _ initial: Wire, _ routine: XDRRoutine<Wire>, _ body: (Wire) -> R
    ) -> R? {
        var reader = XDRReader(bytes)
        guard let result = reader.next(initial, routine, body), reader.position == bytes.count else { return nil }
        return result
    }
}

/// Values one after another out of bytes of the peer's.
package struct XDRReader {
    private var stream = XDR()

    /// - Parameter bytes: must outlive the reader.
    package init(_ bytes: UnsafeRawBufferPointer) { tlsd_xdr_read(&stream, bytes.baseAddress, bytes.count) }

    /// Bytes read so far.
    package var position: Int { mutating get { tlsd_xdr_position(&stream) } }

    /// The next value.
    ///
    /// - Parameters:
    ///   - initial: all zero.
    ///   - body: gets the struct, which is freed afterwards.
    /// - Returns: nil where the bytes that are left are no such value.
    package mutating func next<Wire, R>(_ initial: Wire, _ routine: XDRRoutine<Wire>, _ body: (Wire) -> R) -> R? {
        var wire = initial
        defer {
            // A value that failed in its middle has allocated its first half.
            var release = XDR()
            tlsd_xdr_release(&release)
            _ = routine(&release, &wire)
        }
        guard routine(&stream, &wire) != 0 else { return nil }
        return body(wire)
    }

    /// The next 32-bit word.
    package mutating func word() -> UInt32? { next(UInt32(0), xdr_uint32) { $0 } }

    /// The next 64-bit word.
    package mutating func hyper() -> UInt64? { next(UInt(0), xdr_uint64) { UInt64($0) } }

    /// The next bool: RFC 4506 section 4.4 knows only 0 and 1.
    package mutating func bool() -> Bool? {
        guard let word = word(), word <= 1 else { return nil }
        return word == 1
    }
}

/// Values one after another into a buffer of a fixed size.
package struct XDRWriter: ~Copyable {
    private var stream = XDR()
    private let buffer: UnsafeMutableRawBufferPointer

    /// - Parameter capacity: bytes that are allocated.
    package init(capacity: Int) {
        buffer = .allocate(byteCount: max(8, capacity), alignment: 8)
        tlsd_xdr_write(&stream, buffer.baseAddress, buffer.count)
    }

    deinit { buffer.deallocate() }

    /// Bytes written so far.
    package var position: Int { mutating get { tlsd_xdr_position(&stream) } }

    /// Appends one value; false where it does not fit, and then what was written is of no use.
    package mutating func append<Wire>(_ wire: Wire, _ routine: XDRRoutine<Wire>) -> Bool {
        var copy = wire
        return routine(&stream, &copy) != 0
    }

    package mutating func append(_ word: UInt32) -> Bool { append(word, xdr_uint32) }
    package mutating func append(_ hyper: UInt64) -> Bool { append(UInt(hyper), xdr_uint64) }
    package mutating func append(_ bool: Bool) -> Bool { append(bool ? 1 : 0 as UInt32) }

    /// What was written.
    package mutating func bytes() -> [UInt8] { Array(buffer.prefix(position)) }
}

extension Array where Element == UInt8 {
    /// Of a counted C array; none where the pointer is null.
    init(length: UInt32, bytes: UnsafePointer<CChar>?) {
        self = bytes.map { Array(UnsafeRawBufferPointer(start: $0, count: Int(length))) } ?? []
    }
}
