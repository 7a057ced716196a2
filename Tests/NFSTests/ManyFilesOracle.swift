import CProtocol
import TestSupport
import Testing

@testable import NFS

/// READFILES and PUTFILES as rpcgen's own routines have them, and values for them.
enum ManyFilesOracle {
    struct Read: Hashable {
        var status: NFSStatus
        var data: [UInt8]
        var attributes: FileAttributes?
    }

    struct New: Hashable {
        var file: Xfer.PutFiles.File
        var data: [UInt8]
    }

    // MARK: Values

    static func bytes(_ count: Int, _ random: inout RandomNumbers) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        for index in bytes.indices { bytes[index] = UInt8(truncatingIfNeeded: random.next()) }
        return bytes
    }

    static func handle(_ random: inout RandomNumbers) throws -> FileHandle {
        let count = [0, 1, 3, 4, 5, 28, 63, 64].randomElement(using: &random) ?? 64
        return try #require(FileHandle(bytes(count, &random)))
    }

    static func name(_ random: inout RandomNumbers) -> FileName {
        let count = [0, 1, 2, 3, 4, 5, 255, FileName.wireLimit - 1, FileName.wireLimit].randomElement(using: &random)
        return FileName(bytes(count ?? 1, &random))
    }

    static func time(_ random: inout RandomNumbers) -> NFSTime {
        NFSTime(
            seconds: UInt32(truncatingIfNeeded: random.next()), nanoseconds: UInt32(truncatingIfNeeded: random.next()))
    }

    static func attributes(_ random: inout RandomNumbers) -> FileAttributes {
        func word() -> UInt32 { UInt32(truncatingIfNeeded: random.next()) }
        return FileAttributes(
            type: FileType(rawValue: .random(in: 1...7, using: &random)), mode: word(), linkCount: word(), uid: word(),
            gid: word(), size: random.next(), used: random.next(), deviceMajor: word(), deviceMinor: word(),
            fileSystem: random.next(), fileID: random.next(), accessTime: time(&random),
            modificationTime: time(&random), changeTime: time(&random))
    }

    /// Each attribute set or not, times in each of their three ways.
    static func setAttributes(_ random: inout RandomNumbers) -> SetAttributes {
        func word() -> UInt32? { Bool.random(using: &random) ? UInt32(truncatingIfNeeded: random.next()) : nil }
        func setTime() -> SetAttributes.Time? {
            switch Int.random(in: 0...2, using: &random) {
            case 0: nil
            case 1: .now
            default: .at(time(&random))
            }
        }
        return SetAttributes(
            mode: word(), uid: word(), gid: word(), size: Bool.random(using: &random) ? random.next() : nil,
            accessTime: setTime(), modificationTime: setTime())
    }

    // MARK: Encoding

    /// As rpcgen's routine has it.
    private static func encode<Wire>(
        _ capacity: Int, _ routine: XDRRoutine<Wire>, _ wire: (XDRArena) -> Wire
    ) throws -> [UInt8] {
        let arena = XDRArena()
        var writer = XDRWriter(capacity: capacity)
        let fits = writer.append(wire(arena), routine)
        withExtendedLifetime(arena) {}
        try #require(fits)
        return writer.bytes()
    }

    /// Structs with unions in them are plain memory too, but Swift does not know it.
    private static func copy<Value>(_ values: [Value], _ arena: XDRArena) -> UnsafeMutablePointer<Value> {
        let room: UnsafeMutablePointer<CChar> = arena.copy(
            [UInt8](repeating: 0, count: values.count * MemoryLayout<Value>.stride))
        let copy = UnsafeMutableRawPointer(room).bindMemory(to: Value.self, capacity: values.count)
        copy.initialize(from: values, count: values.count)
        return copy
    }

    static func encode(_ arguments: Xfer.ReadFiles.Arguments) throws -> [UInt8] {
        try encode(8192, xdr_READFILESargs) { arena in
            var wire = READFILESargs()
            wire.object = arguments.object.wire(arena)
            wire.files.files_len = UInt32(arguments.files.count)
            wire.files.files_val = arena.copy(arguments.files.map { $0.wire(arena) })
            return wire
        }
    }

    static func encode(_ files: [Read]) throws -> [UInt8] {
        try encode(1 << 23, xdr_READFILESres) { arena in
            var wire = READFILESres()
            wire.status = NFS3_OK
            wire.READFILESres_u.resok.files.files_len = UInt32(files.count)
            wire.READFILESres_u.resok.files.files_val = copy(
                files.map { file in
                    var wire = xferfile()
                    wire.status = file.status.wire
                    wire.data.data_len = UInt32(file.data.count)
                    wire.data.data_val = arena.copy(file.data)
                    wire.attributes = file.attributes.wire
                    return wire
                }, arena)
            return wire
        }
    }

    static func encode(_ arguments: Xfer.PutFiles.Arguments, _ files: [New]) throws -> [UInt8] {
        try encode(1 << 23, xdr_PUTFILESargs) { arena in
            var wire = PUTFILESargs()
            wire.object = arguments.object.wire(arena)
            wire.how = xferhow(arguments.existing.rawValue)
            wire.synchronize = arguments.synchronize ? 1 : 0
            wire.files.files_len = UInt32(files.count)
            wire.files.files_val = copy(
                files.map { new in
                    var wire = xfernew()
                    wire.dir = new.file.directory.wire(arena)
                    wire.name = new.file.name.name(arena)
                    wire.temporary = new.file.temporary.name(arena)
                    wire.attributes = new.file.attributes.wire
                    wire.data.data_len = UInt32(new.data.count)
                    wire.data.data_val = arena.copy(new.data)
                    return wire
                }, arena)
            return wire
        }
    }

    static func encode(_ statuses: [NFSStatus]) throws -> [UInt8] {
        try encode(1024, xdr_PUTFILESres) { arena in
            var wire = PUTFILESres()
            wire.status = NFS3_OK
            wire.PUTFILESres_u.resok.files.files_len = UInt32(statuses.count)
            wire.PUTFILESres_u.resok.files.files_val = arena.copy(statuses.map(\.wire))
            return wire
        }
    }

    // MARK: Decoding

    /// All of `bytes`; nil where they are no such value.
    static func decodeReadArguments(_ bytes: [UInt8]) -> Xfer.ReadFiles.Arguments? {
        bytes.withUnsafeBytes { bytes in
            XDRCoder.decode(bytes, READFILESargs(), xdr_READFILESargs) { wire in
                Xfer.ReadFiles.Arguments(
                    FileHandle(wire.object), array(wire.files.files_val, wire.files.files_len).map { FileHandle($0) })
            }
        }
    }

    static func decodeReadResults(_ bytes: [UInt8]) -> [Read]? {
        bytes.withUnsafeBytes { bytes in
            XDRCoder.decode(bytes, READFILESres(), xdr_READFILESres) { wire in
                let files = wire.READFILESres_u.resok.files
                return array(files.files_val, files.files_len).map {
                    Read(
                        status: NFSStatus($0.status), data: Array(length: $0.data.data_len, bytes: $0.data.data_val),
                        attributes: .init($0.attributes))
                }
            }
        }
    }

    static func decodePutArguments(_ bytes: [UInt8]) -> (arguments: Xfer.PutFiles.Arguments, files: [New])? {
        bytes.withUnsafeBytes { bytes in
            XDRCoder.decode(bytes, PUTFILESargs(), xdr_PUTFILESargs) { wire in
                let arguments = Xfer.PutFiles.Arguments(
                    FileHandle(wire.object), existing: wire.how.rawValue == 0 ? .replace : .keep,
                    synchronize: wire.synchronize != 0)
                let files = array(wire.files.files_val, wire.files.files_len).map {
                    New(
                        file: Xfer.PutFiles.File(
                            FileHandle($0.dir), FileName(wire: $0.name), temporary: FileName(wire: $0.temporary),
                            attributes: SetAttributes($0.attributes)),
                        data: Array(length: $0.data.data_len, bytes: $0.data.data_val))
                }
                return (arguments, files)
            }
        }
    }

    static func decodePutResults(_ bytes: [UInt8]) -> [NFSStatus]? {
        bytes.withUnsafeBytes { bytes in
            XDRCoder.decode(bytes, PUTFILESres(), xdr_PUTFILESres) { wire in
                let files = wire.PUTFILESres_u.resok.files
                return array(files.files_val, files.files_len).map { NFSStatus($0) }
            }
        }
    }

    private static func array<Value>(_ values: UnsafeMutablePointer<Value>?, _ count: UInt32) -> [Value] {
        Array(UnsafeBufferPointer(start: values, count: Int(count)))
    }
}
