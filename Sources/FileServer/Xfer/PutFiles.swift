import CLinux
import Glibc
import Kernel
import NFS
import RPC

extension Request {
    /// PUTFILES of xfer.x.
    func putFiles(_ call: Call, _ bytes: UnsafeRawBufferPointer) -> Answer {
        guard let (arguments, files) = Xfer.PutFiles.decode(bytes) else { return .garbageArguments }
        let key = RequestKey(call, arguments: bytes, without: files.map(\.data))
        return server.requests.answer(key) { since in
            answer(as: identity) {
                do throws(NFSStatus) {
                    let export = try server.export(of: arguments.object)
                    var put = PutFiles(request: self, export: export, arguments, isRepeated: since != nil)
                    guard let results = try? Xfer.PutFiles.encode(put.run(files, bytes)) else { return .systemError }
                    return .results(results)
                } catch {
                    return .results(error.rawValue.bigEndianBytes)
                }
            }
        }
    }
}

/// The files of one PUTFILES: made and filled one after another, put on disk together, and given their names.
private struct PutFiles {
    let request: Request
    let export: ServedExport
    let arguments: Xfer.PutFiles.Arguments
    /// An earlier process began the call, and was killed.
    let isRepeated: Bool
    /// The last one: most calls' files are of one directory.
    private var directory: (handle: FileHandle, change: DirectoryChange)?
    private var directories: [DirectoryChange] = []

    private final class DirectoryChange {
        let file: OpenFile
        let change: Change
        /// What has kept its change from the disk.
        var failure: NFSStatus?

        init(_ file: OpenFile) throws(NFSStatus) {
            self.file = file
            change = try Change(file)
        }
    }

    private struct Made {
        let new: NewFile
        let directory: DirectoryChange
        let name: FileName
        let count: Int
    }

    init(request: Request, export: ServedExport, _ arguments: Xfer.PutFiles.Arguments, isRepeated: Bool) {
        self.request = request
        self.export = export
        self.arguments = arguments
        self.isRepeated = isRepeated
    }

    /// - Parameter bytes: what the files' data is in.
    /// - Returns: what became of each.
    mutating func run(
        _ files: [(file: Xfer.PutFiles.File, data: Range<Int>)], _ bytes: UnsafeRawBufferPointer
    ) -> [NFSStatus] {
        var made: [Result<Made, NFSStatus>] = []
        made.reserveCapacity(files.count)
        for (file, data) in files {
            made.append(
                Result { () throws(NFSStatus) in try make(file, UnsafeRawBufferPointer(rebasing: bytes[data])) })
        }
        if arguments.synchronize { synchronize(&made) }
        let named = made.map { one -> Result<DirectoryChange, NFSStatus> in
            one.flatMap { made in Result { () throws(NFSStatus) in try publish(made) } }
        }
        if arguments.synchronize {
            for directory in directories {
                do throws(NFSStatus) {
                    try request.synchronize(directory.file)
                } catch {
                    directory.failure = error
                }
            }
        }
        return named.map { one in
            switch one {
            case .success(let directory): directory.failure ?? .ok
            case .failure(let status): status
            }
        }
    }

    private mutating func make(
        _ file: Xfer.PutFiles.File, _ data: UnsafeRawBufferPointer
    ) throws(NFSStatus) -> Made {
        let directory = try directory(file.directory)
        let new = try request.newFile(
            file.name, temporary: file.temporary, file.attributes, count: data.count, in: directory.file)
        do throws(NFSStatus) {
            try nfs { () throws(SystemError) in try Files.write(new.descriptor.raw, data, at: 0) }
            try OpenFile.set(file.attributes, of: new.descriptor.raw, isPath: false)
        } catch {
            new.discard()
            throw error
        }
        return Made(new: new, directory: directory, name: file.name, count: data.count)
    }

    private mutating func directory(_ handle: FileHandle) throws(NFSStatus) -> DirectoryChange {
        if let directory, directory.handle == handle { return directory.change }
        let file = try request.server.directory(handle)
        // The call was admitted to one export, and to no other.
        guard file.export === export else { throw .crossDevice }
        // One for all its files, wherever they are in the call: fsync(2) reports an error once.
        if let known = directories.first(where: { $0.file === file }) {
            directory = (handle, known)
            return known
        }
        let change = try DirectoryChange(file)
        directory = (handle, change)
        directories.append(change)
        return change
    }

    private func synchronize(_ made: inout [Result<Made, NFSStatus>]) {
        if synchronizeTogether(made) { return }
        for index in made.indices {
            guard case .success(let one) = made[index] else { continue }
            do throws(NFSStatus) {
                try nfs { () throws(SystemError) in
                    _ = try systemCall("fsync") { fsync(one.new.descriptor.raw) }
                }
            } catch {
                one.new.discard()
                made[index] = .failure(error)
            }
        }
    }

    /// Files from which on that is worth a look at what else waits.
    private static let several = 4
    /// Bytes that wait for any disk, beside which a few files' are no longer what is waited for.
    private static let mostDirty: UInt64 = 32 << 20

    /// By syncfs(2), which has the disk flush its cache once: fsync(2) does so for each file, and that is nearly all of
    /// what a small file costs. It waits for everything else too, so that must be little.
    ///
    /// - Returns: false where it was not done, or an error was met that may be anybody's.
    private func synchronizeTogether(_ made: [Result<Made, NFSStatus>]) -> Bool {
        var files: [SharedDescriptor] = []
        for case .success(let one) in made { files.append(one.new.descriptor) }
        guard files.count >= Self.several, let first = files.first, let dirty = DirtyMemory.bytes(),
            dirty <= Self.mostDirty
        else { return false }
        // The directories' file systems are one: an export has no other.
        return (try? systemCall("syncfs") { clinux_syncfs(first.raw) }) != nil
    }

    private func publish(_ made: Made) throws(NFSStatus) -> DirectoryChange {
        let directory = made.directory.file
        do throws(NFSStatus) {
            try made.new.publish(as: made.name, arguments.existing) { temporary throws(NFSStatus) in
                try request.move(temporary, in: directory, to: made.name, in: directory)
            }
        } catch {
            defer { made.new.discard() }
            guard error == .exists, isRepeated, arguments.existing == .keep,
                try made.new.isSame(as: made.name, count: made.count)
            else { throw error }
        }
        return made.directory
    }
}
