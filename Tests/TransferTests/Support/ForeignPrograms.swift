import CProtocol
import Kernel
import NFS
import RPC
import Synchronization
import TestSupport

/// MOUNT of a ``ForeignServer``.
struct ForeignMount: Program {
    let state: ForeignState
    var takesCleartext = false
    var number: UInt32 { Mount.program }
    var version: UInt32 { Mount.version }

    func cleartextAccess(procedure: UInt32) -> CleartextAccess { takesCleartext ? .brief : .none }

    func call(_ call: Call, arguments: UnsafeRawBufferPointer) -> Answer {
        guard let results = Self.results(state, call.procedure, arguments) else { return .procedureUnavailable }
        return .results(results)
    }

    /// The results of a call; nil: PROC_UNAVAIL.
    static func results(_ state: ForeignState, _ procedure: UInt32, _ arguments: UnsafeRawBufferPointer) -> [UInt8]? {
        switch Mount.ProcedureNumber(rawValue: procedure) {
        case .null: return []
        case .export: return state.behaviour.exports.flatMap { try? Mount.encode($0) }
        case .mnt:
            guard let path = Mount.decodePath(arguments)?.description, let root = ForeignState.root else { return nil }
            state.content.withLock { $0.mounted.append(path) }
            if let status = state.behaviour.mnt(path) {
                return try? Mount.encodeMnt(.failure(MountError(status, .mnt, path)))
            }
            let file = state.content.withLock { $0.files.first { path.hasSuffix("/\($0.value.name)") }?.key }
            let handle = state.behaviour.mountsFiles ? file.flatMap { ForeignState.handle($0) } : nil
            return try? Mount.encodeMnt(
                .success(Mount.Mounted(root: handle ?? root, flavors: state.behaviour.flavors)))
        default: return nil
        }
    }
}

/// NFS of a ``ForeignServer``.
struct ForeignNFS: Program {
    let state: ForeignState
    var takesCleartext = false
    var number: UInt32 { NFS.program }
    var version: UInt32 { NFS.version }
    private var behaviour: Behaviour { state.behaviour }

    func argumentLimit(procedure: UInt32) -> Int { 16 << 10 }

    func cleartextAccess(procedure: UInt32) -> CleartextAccess { takesCleartext ? .brief : .none }

    func payload(procedure: UInt32, arguments: UnsafeRawBufferPointer) -> PayloadPosition {
        procedure == NFS.ProcedureNumber.write.rawValue ? NFS.writeCallPayload(arguments: arguments) : .none
    }

    func call(_ call: Call, arguments: UnsafeRawBufferPointer) -> Answer {
        guard let procedure = NFS.ProcedureNumber(rawValue: call.procedure) else { return .procedureUnavailable }
        let count = count(procedure)
        state.content.withLock { $0.transactions[procedure, default: []].append(call.transaction) }
        let answer = perform(procedure, count, arguments)
        guard behaviour.losesReply.contains(procedure), count == 1 else { return answer }
        // Four bytes that the file has not: the server has to end the connection.
        return .file([], TestFile().descriptor, offset: 0, count: 4)
    }

    private func perform(
        _ procedure: NFS.ProcedureNumber, _ count: Int, _ arguments: UnsafeRawBufferPointer
    ) -> Answer {
        if let denied = behaviour.denied { return .denied(denied) }
        if behaviour.unavailable.contains(procedure) { return .procedureUnavailable }
        let failure = behaviour.status(procedure, count)
        switch procedure {
        case .null: return .results([])
        case .getAttr:
            guard let handle = FileHandle.decode(arguments, nfs_fh3()) else { return .garbageArguments }
            guard failure == nil, let attributes = state.attributes(ForeignState.number(handle)) else {
                return answer(NFS.GetAttr.self, .failure(failure ?? .stale, Nothing()))
            }
            return answer(NFS.GetAttr.self, .success(attributes))
        case .setAttr:
            return answer(NFS.SetAttr.self, failure.map { .failure($0, WeakCacheData()) } ?? .success(WeakCacheData()))
        case .lookup: return lookup(arguments, failure)
        case .read: return read(arguments, failure, count)
        case .create: return create(arguments, failure)
        case .remove:
            guard let place = DirectoryOperation.decode(arguments, diropargs3()) else { return .garbageArguments }
            state.content.withLock { content in
                content.files = content.files.filter { $0.value.name != place.name.description }
            }
            return answer(NFS.Remove.self, .success(WeakCacheData()))
        case .rename: return rename(arguments, failure)
        case .readDir, .readDirPlus: return readDirectory(arguments, plus: procedure == .readDirPlus, failure)
        case .fsInfo:
            let sizes = behaviour.sizes
            return answer(
                NFS.FSInfo.self,
                failure.map { .failure($0, nil) }
                    ?? .success(
                        .init(
                            attributes: nil, readMaximum: sizes.maximum, readPreferred: sizes.preferred,
                            readMultiple: sizes.multiple, writeMaximum: sizes.maximum,
                            writePreferred: sizes.preferred, writeMultiple: sizes.multiple, directoryPreferred: 0,
                            maximumFileSize: 1 << 40, timeDelta: NFSTime(seconds: 0 as UInt32, nanoseconds: 1),
                            properties: 27)))
        case .commit:
            return answer(
                NFS.Commit.self,
                failure.map { .failure($0, WeakCacheData()) }
                    ?? .success(.init(file: WeakCacheData(), verifier: behaviour.commit(count))))
        default: return .procedureUnavailable
        }
    }

    private func count(_ procedure: NFS.ProcedureNumber) -> Int {
        state.content.withLock { content in
            content.calls[procedure, default: 0] += 1
            return content.calls[procedure] ?? 0
        }
    }

    private func answer<P: NFSProcedure>(_: P.Type, _ reply: P.Reply) -> Answer {
        (try? P.encode(reply)).map { .results($0) } ?? .systemError
    }

    private func lookup(_ arguments: UnsafeRawBufferPointer, _ failure: NFSStatus?) -> Answer {
        guard let place = DirectoryOperation.decode(arguments, diropargs3()) else { return .garbageArguments }
        let name = place.name.description
        let number = state.content.withLock { $0.files.first { $0.value.name == name }?.key }
        guard failure == nil, let number, let handle = ForeignState.handle(number) else {
            return answer(NFS.Lookup.self, .failure(failure ?? .noEntry, nil))
        }
        return answer(
            NFS.Lookup.self, .success(.init(object: handle, attributes: state.attributes(number), directory: nil)))
    }

    private func read(_ bytes: UnsafeRawBufferPointer, _ failure: NFSStatus?, _ count: Int) -> Answer {
        guard let arguments = NFS.Read.Arguments.decode(bytes, READ3args()) else { return .garbageArguments }
        let number = ForeignState.number(arguments.file)
        let file = state.content.withLock { content in
            content.reads.append(arguments)
            return content.files[number]
        }
        guard failure == nil, let file, let contents = try? file.data.contents else {
            return (try? NFS.Read.encode(failure ?? .stale, nil)).map { .results($0) } ?? .systemError
        }
        let rest = contents.dropFirst(Int(arguments.offset))
        let length = behaviour.read(min(Int(arguments.count), rest.count), count)
        // What is more than the file has is zeros.
        let data = Array(rest.prefix(length)) + [UInt8](repeating: 0, count: max(0, length - rest.count))
        let header = NFS.Read.Header(
            attributes: state.attributes(number).flatMap(behaviour.readAttributes), count: UInt32(data.count),
            endOfFile: length > 0 && length >= rest.count)
        guard let head = try? NFS.Read.encode(header) else { return .systemError }
        return .results(head + data + [UInt8](repeating: 0, count: (4 - data.count % 4) % 4))
    }

    func begin(_ call: Call, arguments: UnsafeRawBufferPointer, payload count: Int) -> PayloadStart {
        guard let (arguments, _) = NFS.Write.decodeHead(arguments) else { return .answered(.garbageArguments) }
        let number = ForeignState.number(arguments.file)
        let calls = self.count(.write)
        let file = state.content.withLock { content in
            content.writes.append(arguments)
            return content.files[number]
        }
        if let status = behaviour.status(.write, calls) ?? (file == nil ? .stale : nil) {
            return .answered(answer(NFS.Write.self, .failure(status, WeakCacheData())))
        }
        guard let file else { return .answered(.systemError) }
        let (taken, stability, verifier) = behaviour.write(arguments, calls)
        let reply = answer(
            NFS.Write.self,
            .success(
                .init(
                    file: WeakCacheData(), count: UInt32(clamping: taken), committed: stability, verifier: verifier)))
        // A short WRITE takes the first bytes alone; a test sees to that what lies behind is another's.
        guard taken >= count else {
            let begin = arguments.offset
            let spare = TestFile()
            return .write(PayloadTarget(file: spare.descriptor, offset: 0)) { _ in
                guard let bytes = try? spare.contents.prefix(taken),
                    (try? bytes.withUnsafeBytes({ try Files.write(file.data.raw, $0, at: begin) })) != nil
                else { return .systemError }
                return reply
            }
        }
        return .write(PayloadTarget(file: file.data.descriptor, offset: arguments.offset)) {
            $0 == nil ? reply : .systemError
        }
    }

    private func create(_ bytes: UnsafeRawBufferPointer, _ failure: NFSStatus?) -> Answer {
        guard let arguments = NFS.Create.Arguments.decode(bytes, CREATE3args()) else { return .garbageArguments }
        if case .exclusive = arguments.how, let failure {
            return answer(NFS.Create.self, .failure(failure, WeakCacheData()))
        }
        let number = state.add(arguments.target.name.description, [])
        return answer(
            NFS.Create.self,
            .success(.init(object: ForeignState.handle(number), attributes: nil, directory: WeakCacheData())))
    }

    private func rename(_ bytes: UnsafeRawBufferPointer, _ failure: NFSStatus?) -> Answer {
        guard let arguments = NFS.Rename.Arguments.decode(bytes, RENAME3args()) else { return .garbageArguments }
        let nothing = NFS.Rename.Both(fromDirectory: WeakCacheData(), toDirectory: WeakCacheData())
        if let failure { return answer(NFS.Rename.self, .failure(failure, nothing)) }
        let (from, to) = (arguments.from.name.description, arguments.to.name.description)
        let done = state.content.withLock { content -> Bool in
            guard let (number, file) = content.files.first(where: { $0.value.name == from }) else { return false }
            content.files = content.files.filter { $0.value.name != to }
            content.files[number] = .init(name: to, data: file.data)
            return true
        }
        return answer(NFS.Rename.self, done ? .success(nothing) : .failure(.noEntry, nothing))
    }

    private func readDirectory(_ bytes: UnsafeRawBufferPointer, plus: Bool, _ failure: NFSStatus?) -> Answer {
        let cookie: UInt64
        if plus {
            guard let arguments = NFS.ReadDirPlus.Arguments.decode(bytes, READDIRPLUS3args()) else {
                return .garbageArguments
            }
            cookie = arguments.cookie
        } else {
            guard let arguments = NFS.ReadDir.Arguments.decode(bytes, READDIR3args()) else { return .garbageArguments }
            cookie = arguments.cookie
            if arguments.count < behaviour.readDirNeeds {
                return (try? DirectoryListing.encode(.tooSmall, nil)).map { .results($0) } ?? .systemError
            }
        }
        if let failure {
            return (try? DirectoryListing.encode(failure, nil)).map { .results($0) } ?? .systemError
        }
        let files = state.content.withLock { $0.files.sorted { $0.key < $1.key } }
        let start = cookie == 0 ? 0 : (0..<files.count).first { behaviour.cookie($0) == cookie }.map { $0 + 1 } ?? 0
        let entries = files.enumerated().dropFirst(start).prefix(behaviour.page).map { index, element in
            let isBare = !plus || behaviour.bare.contains(element.value.name)
            return DirectoryEntry(
                fileID: element.key, name: FileName(element.value.name), cookie: behaviour.cookie(index),
                attributes: isBare ? nil : state.attributes(element.key),
                handle: isBare ? nil : ForeignState.handle(element.key))
        }
        let listing = DirectoryListing(
            attributes: nil, verifier: 5, entries: entries, endOfDirectory: start + entries.count >= files.count)
        return (try? listing.encode(plus: plus)).map { .results($0) } ?? .systemError
    }
}
