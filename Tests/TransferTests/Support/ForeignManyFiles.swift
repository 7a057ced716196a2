import NFS
import RPC
import Synchronization
import TestSupport

/// XFER of a ``ForeignServer`` that has READFILES, PUTFILES and PUT of its files, and answers otherwise where a test says so.
final class ForeignManyFiles: Program {
    struct File: Sendable, Equatable {
        var status = NFSStatus.ok
        var data: [UInt8]
        var attributes: FileAttributes?
    }

    struct Ways: Sendable {
        var hasManyFiles = true
        var hasWholeReads = false
        /// What READFILES says instead of what is right.
        var read: @Sendable ([File]) -> [File] = { $0 }
        /// What PUTFILES does with a file, by its name: what is not OK is not made.
        var put: @Sendable (String) -> NFSStatus = { _ in .ok }
        /// What is sent instead of the results of READFILES or PUTFILES.
        var results: @Sendable ([UInt8]) -> Answer = { .results($0) }
        /// PUT of each file.
        var putAlone: @Sendable (String) -> NFSStatus = { _ in .ok }
    }

    private let ways: Ways
    private let state = Mutex<ForeignState?>(nil)
    private let seen = Mutex<[Xfer.ProcedureNumber: [[String]]]>([:])

    /// A server that has it.
    static func server(
        _ ways: Ways = Ways(), behaviour: Behaviour = Behaviour()
    ) throws -> (ForeignServer, ForeignManyFiles) {
        let program = ForeignManyFiles(ways)
        let server = try ForeignServer(behaviour: behaviour, more: [program])
        program.state.withLock { $0 = server.state }
        return (server, program)
    }

    private init(_ ways: Ways) { self.ways = ways }

    /// The calls that came, and the names of the files in each.
    func calls(_ procedure: Xfer.ProcedureNumber) -> [[String]] { seen.withLock { $0[procedure] ?? [] } }

    var number: UInt32 { Xfer.program }
    var version: UInt32 { Xfer.version }
    func argumentLimit(procedure: UInt32) -> Int { 16 << 20 }
    func cleartextAccess(procedure: UInt32) -> CleartextAccess { .lasting }

    func call(_ call: Call, arguments: UnsafeRawBufferPointer) -> Answer {
        guard let state = state.withLock({ $0 }) else { return .systemError }
        switch Xfer.ProcedureNumber(rawValue: call.procedure) {
        case .capabilities:
            let capabilities = Xfer.Capabilities.Success(
                algorithms: 3, isWritable: true, putMaximum: 1 << 20, digestMaximum: 4096, rangeMaximum: 256 << 20,
                segmentMaximum: 512, hasWholeReads: ways.hasWholeReads, hasManyFiles: ways.hasManyFiles)
            return (try? Xfer.Capabilities.encode(.success(capabilities))).map { .results($0) } ?? .systemError
        case .readFiles: return read(arguments, state)
        case .putFiles: return put(arguments, state)
        case .put: return putAlone(arguments, state)
        default: return .procedureUnavailable
        }
    }

    private func note(_ procedure: Xfer.ProcedureNumber, _ names: [String]) {
        seen.withLock { $0[procedure, default: []].append(names) }
    }

    private func read(_ bytes: UnsafeRawBufferPointer, _ state: ForeignState) -> Answer {
        guard let arguments = Xfer.ReadFiles.decode(bytes) else { return .garbageArguments }
        let numbers = arguments.files.map { ForeignState.number($0) }
        let found = state.content.withLock { content in numbers.map { content.files[$0] } }
        note(.readFiles, found.map { $0?.name ?? "" })
        let files = zip(numbers, found).map { number, file in
            file.map { File(data: (try? $0.data.contents) ?? [], attributes: state.attributes(number)) }
                ?? File(status: .stale, data: [])
        }
        return ways.results(Self.encode(ways.read(files)))
    }

    /// READFILESres, with whatever a server of ours would not say.
    private static func encode(_ files: [File]) -> [UInt8] {
        var results = words(0, UInt32(files.count))
        for file in files {
            results += words(file.status.rawValue, UInt32(file.data.count)) + file.data
            results += [UInt8](repeating: 0, count: (4 - file.data.count % 4) % 4)
            results += words(file.attributes == nil ? 0 : 1)
            results += file.attributes.flatMap { try? XDRCoder.encode($0) } ?? []
        }
        return results
    }

    private static func words(_ words: UInt32...) -> [UInt8] {
        words.flatMap { word in (0..<4).map { UInt8(truncatingIfNeeded: word >> (24 - 8 * $0)) } }
    }

    private func put(_ bytes: UnsafeRawBufferPointer, _ state: ForeignState) -> Answer {
        guard let decoded = Xfer.PutFiles.decode(bytes) else { return .garbageArguments }
        note(.putFiles, decoded.files.map(\.file.name.description))
        let statuses = decoded.files.map { file, data -> NFSStatus in
            let status = ways.put(file.name.description)
            if status == .ok { make(file.name.description, Array(bytes[data]), state) }
            return status
        }
        return (try? Xfer.PutFiles.encode(statuses)).map { ways.results($0) } ?? .systemError
    }

    private func putAlone(_ bytes: UnsafeRawBufferPointer, _ state: ForeignState) -> Answer {
        guard let (arguments, length) = Xfer.Put.decodeHead(bytes) else { return .garbageArguments }
        let name = arguments.name.description
        note(.put, [name])
        let status = ways.putAlone(name)
        guard status == .ok else {
            return (try? Xfer.Put.encode(.failure(status, WeakCacheData()))).map { .results($0) } ?? .systemError
        }
        let number = make(name, Array(bytes[length...].prefix(Int(arguments.count))), state)
        guard let handle = ForeignState.handle(number) else { return .systemError }
        let made = Xfer.Put.Success(
            file: handle, attributes: state.attributes(number), directory: WeakCacheData())
        return (try? Xfer.Put.encode(.success(made))).map { .results($0) } ?? .systemError
    }

    @discardableResult
    private func make(_ name: String, _ data: [UInt8], _ state: ForeignState) -> UInt64 {
        state.content.withLock { content in content.files = content.files.filter { $0.value.name != name } }
        return state.add(name, data)
    }
}
