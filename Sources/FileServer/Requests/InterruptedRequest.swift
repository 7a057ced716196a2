import CLinux
import CProtocol
import Glibc
import Kernel
import Logging
import NFS
import RPC

/// A call that an earlier process had begun when it was killed, and that was now done once more.
///
/// The first time may have done it, or half of it. So an error that this explains (the name to be removed is not there,
/// the one to be made is) counts as the first time's success, where the times of what is found show that it was changed
/// since the call began. Otherwise the error stays: it is what the first reply would have said.
struct InterruptedRequest {
    let request: Request
    /// Nanoseconds of CLOCK_REALTIME.
    let since: UInt64

    /// - Parameter answer: of the second time.
    func answer(
        _ answer: Answer, _ procedure: NFS.ProcedureNumber, _ arguments: UnsafeRawBufferPointer
    ) -> Answer {
        guard case .results(let results) = answer, results.count >= 4,
            let number = UInt32(bigEndianBytes: results.prefix(4))
        else { return answer }
        let explained: Answer?
        do throws(NFSStatus) {
            explained =
                switch (procedure, NFSStatus(rawValue: number)) {
                case (.remove, .noEntry): try removed(NFS.Remove.self, arguments)
                case (.rmDir, .noEntry): try removed(NFS.RmDir.self, arguments)
                case (.create, .exists), (.create, .ok): try created(arguments)
                case (.mkDir, .exists): try madeDirectory(arguments)
                case (.symLink, .exists): try madeLink(arguments)
                case (.mkNod, .exists): try madeNode(arguments)
                case (.link, .exists): try linked(arguments)
                case (.rename, .noEntry): try renamed(arguments)
                case (.setAttr, .notSynchronized): try set(arguments)
                default: nil
                }
        } catch {
            return answer
        }
        guard let explained else { return answer }
        if number != 0 {
            request.server.log.info(
                "a call that was begun before the server was killed was done then",
                metadata: ["procedure": "\(procedure.name)"])
        }
        return explained
    }

    // MARK: When

    /// File times are those of the last tick of the clock, and some file systems keep whole seconds.
    private static let granularity: UInt64 = 1_010_000_000

    private func isSince(seconds: Int, nanoseconds: Int) -> Bool {
        let time = UInt64(clamping: seconds).multipliedReportingOverflow(by: 1_000_000_000)
        let (sum, overflow) = time.partialValue.addingReportingOverflow(
            UInt64(clamping: nanoseconds) + Self.granularity)
        return time.overflow || overflow || sum >= since
    }

    private func isSince(_ time: NFSTime) -> Bool {
        isSince(seconds: Int(time.seconds), nanoseconds: Int(time.nanoseconds))
    }

    private func wasChanged(_ file: OpenFile) throws(NFSStatus) -> Bool {
        isSince(try file.attributes().changeTime)
    }

    /// Whether the object was made since; nil where its file system does not keep that.
    private func wasBorn(_ file: OpenFile) -> Bool? {
        var (seconds, nanoseconds): (Int64, UInt32) = (0, 0)
        guard clinux_birth_time(file.path.raw, "", Int32(CLINUX_AT_EMPTY_PATH), &seconds, &nanoseconds) == 1 else {
            return nil
        }
        return isSince(seconds: Int(seconds), nanoseconds: Int(nanoseconds))
    }

    /// The object of a name that the call was to make, where it is of that type and new.
    private func new(
        _ target: DirectoryOperation, _ type: mode_t
    ) throws(NFSStatus) -> (object: OpenFile, directory: OpenFile)? {
        let directory = try request.server.directory(target.directory)
        let object = try request.server.child(target.name.checked(dots: .exists), of: directory)
        guard object.type == type else { return nil }
        if let born = wasBorn(object) { return born ? (object, directory) : nil }
        return try wasChanged(object) ? (object, directory) : nil
    }

    // MARK: What

    /// What it was before, nobody knows any more.
    private func after(_ file: OpenFile) -> WeakCacheData { WeakCacheData(after: try? file.attributes()) }

    private func removed<P: NFSProcedure>(
        _ procedure: P.Type, _ arguments: UnsafeRawBufferPointer
    ) throws(NFSStatus) -> Answer? where P.Arguments == DirectoryOperation, P.Success == WeakCacheData {
        guard let object = DirectoryOperation.decode(arguments, diropargs3()) else { return nil }
        let directory = try request.server.directory(object.directory)
        guard try wasChanged(directory) else { return nil }
        try request.synchronize(directory)
        return request.answer(procedure, .success(after(directory)))
    }

    /// The attributes may not have been set yet.
    private func finished<P: NFSProcedure>(
        _ procedure: P.Type, _ object: OpenFile, in directory: OpenFile, _ attributes: SetAttributes
    ) throws(NFSStatus) -> Answer where P.Success == NFS.Created {
        // The server's own descriptor sets the size, and the file may be another user's who was faster.
        if attributes.size != nil, object.isRegular {
            try object.require(.write, as: request.identity, object.attributes())
        }
        if object.isDirectory { try object.setAsNewDirectory(attributes) } else { try object.set(attributes) }
        try request.synchronize(directory)
        return request.answer(
            procedure,
            .success(
                .init(
                    object: object.handle, attributes: try object.attributes(),
                    directory: after(directory))))
    }

    private func created(_ arguments: UnsafeRawBufferPointer) throws(NFSStatus) -> Answer? {
        guard let arguments = NFS.Create.Arguments.decode(arguments, CREATE3args()) else { return nil }
        guard let (file, directory) = try new(arguments.target, S_IFREG) else { return nil }
        let size = try file.attributes().size
        switch arguments.how {
        case .guarded(let attributes):
            guard size == 0 || size == attributes.size else { return nil }
            return try finished(NFS.Create.self, file, in: directory, attributes)
        case .unchecked(let attributes):
            // Of a file that was there before, CREATE sets the size alone: so it must be sure that this one was not.
            guard wasBorn(file) == true, size == attributes.size ?? 0 else { return nil }
            return try finished(NFS.Create.self, file, in: directory, attributes)
        case .exclusive(let verifier):
            guard size == 0 else { return nil }
            return try finished(NFS.Create.self, file, in: directory, SetAttributes(verifier: verifier))
        }
    }

    private func madeDirectory(_ arguments: UnsafeRawBufferPointer) throws(NFSStatus) -> Answer? {
        guard let arguments = NFS.MkDir.Arguments.decode(arguments, MKDIR3args()) else { return nil }
        guard let (made, directory) = try new(arguments.target, S_IFDIR) else { return nil }
        return try finished(NFS.MkDir.self, made, in: directory, arguments.attributes)
    }

    private func madeLink(_ arguments: UnsafeRawBufferPointer) throws(NFSStatus) -> Answer? {
        guard let arguments = NFS.SymLink.Arguments.decode(arguments, SYMLINK3args()) else { return nil }
        guard let (made, directory) = try new(arguments.target, S_IFLNK), try text(of: made) == arguments.text
        else { return nil }
        var attributes = arguments.attributes
        attributes.size = nil
        attributes.mode = nil
        return try finished(NFS.SymLink.self, made, in: directory, attributes)
    }

    private func text(of link: OpenFile) throws(NFSStatus) -> FileName {
        var text = [CChar](repeating: 0, count: Int(PATH_MAX))
        let length = try nfs { () throws(SystemError) in
            try systemCall("readlinkat") {
                text.withUnsafeMutableBufferPointer { buffer in
                    buffer.baseAddress.map { readlinkat(link.path.raw, "", $0, buffer.count) } ?? 0
                }
            }
        }
        return FileName(text.prefix(length).map { UInt8(bitPattern: $0) })
    }

    private func madeNode(_ arguments: UnsafeRawBufferPointer) throws(NFSStatus) -> Answer? {
        guard let arguments = NFS.MkNod.Arguments.decode(arguments, MKNOD3args()) else { return nil }
        let (type, attributes, device): (mode_t, SetAttributes, (UInt32, UInt32)?)
        switch arguments.what {
        case .characterDevice(let given, let major, let minor):
            (type, attributes, device) = (S_IFCHR, given, (major, minor))
        case .blockDevice(let given, let major, let minor):
            (type, attributes, device) = (S_IFBLK, given, (major, minor))
        case .socket(let given): (type, attributes, device) = (S_IFSOCK, given, nil)
        case .fifo(let given): (type, attributes, device) = (S_IFIFO, given, nil)
        case .other: return nil
        }
        guard let (made, directory) = try new(arguments.target, type) else { return nil }
        if let device {
            let found = try made.attributes()
            guard (found.deviceMajor, found.deviceMinor) == device else { return nil }
        }
        var settable = attributes
        settable.size = nil
        return try finished(NFS.MkNod.self, made, in: directory, settable)
    }

    private func linked(_ arguments: UnsafeRawBufferPointer) throws(NFSStatus) -> Answer? {
        guard let arguments = NFS.Link.Arguments.decode(arguments, LINK3args()) else { return nil }
        let object = try request.server.file(arguments.file)
        let directory = try request.server.directory(arguments.link.directory)
        let name = try arguments.link.name.checked(dots: .exists)
        let found = try request.server.child(name, of: directory)
        // Making the link changed the object, and the directory.
        guard found.identity == object.identity, try wasChanged(object), try wasChanged(directory) else { return nil }
        try request.synchronize(directory)
        return request.answer(
            NFS.Link.self,
            .success(.init(attributes: try? object.attributes(), directory: after(directory))))
    }

    private func renamed(_ arguments: UnsafeRawBufferPointer) throws(NFSStatus) -> Answer? {
        guard let arguments = NFS.Rename.Arguments.decode(arguments, RENAME3args()) else { return nil }
        let source = try request.server.directory(arguments.from.directory)
        let target = try request.server.directory(arguments.to.directory)
        let object = try request.server.child(arguments.to.name.checked(dots: .invalid), of: target)
        // rename(2) changes both directories, and on most file systems the object.
        guard try wasChanged(source), try wasChanged(target), try wasChanged(object) else { return nil }
        try request.synchronize(target)
        if source.identity != target.identity { try request.synchronize(source) }
        return request.answer(
            NFS.Rename.self,
            .success(.init(fromDirectory: after(source), toDirectory: after(target))))
    }

    /// The guard is the time of the last change, which the first time has moved on: all must be as it was asked for.
    private func set(_ arguments: UnsafeRawBufferPointer) throws(NFSStatus) -> Answer? {
        guard let arguments = NFS.SetAttr.Arguments.decode(arguments, SETATTR3args()) else { return nil }
        let file = try request.server.file(arguments.object)
        let (now, asked) = (try file.attributes(), arguments.attributes)
        func holds(_ asked: SetAttributes.Time?, _ time: NFSTime) -> Bool {
            switch asked {
            case nil: true
            case .now: isSince(time)
            case .at(let wanted): wanted == time
            }
        }
        guard isSince(now.changeTime), (asked.mode ?? now.mode) & 0o7777 == now.mode, asked.uid ?? now.uid == now.uid,
            asked.gid ?? now.gid == now.gid, asked.size ?? now.size == now.size,
            holds(asked.accessTime, now.accessTime), holds(asked.modificationTime, now.modificationTime)
        else { return nil }
        return request.answer(NFS.SetAttr.self, .success(after(file)))
    }
}

extension NFS.ProcedureNumber {
    /// Whether doing it twice is not as good as once. WRITE and COMMIT are; so is CREATE EXCLUSIVE by its verifier, but
    /// only while nobody has written to the file.
    var isRemembered: Bool {
        switch self {
        case .setAttr, .create, .mkDir, .symLink, .mkNod, .remove, .rmDir, .rename, .link: true
        default: false
        }
    }
}
