import Glibc
import Kernel
package import Logging
import NFS
package import RPC
import Synchronization
import SystemPackage

/// Directories served over NFS version 3: the exports, their file handles, and the files that are open.
///
/// It acts with the rights of the process's own user, whoever calls.
package final class FileServer: Sendable {
    let exports: [ServedExport]
    let cache: OpenFileCache
    let synchronizes: Bool
    /// The write verifier, RFC 1813 section 3.3.7: another one with each start, and after data was lost.
    let writeVerifier = Atomic<UInt64>(UInt64.random(in: .min ... .max))
    let mounts = Mutex<[MountRecord]>([])
    let log: Logger
    private let seal: HandleSeal

    /// - Parameters:
    ///   - exports: what to serve.
    ///   - stateDirectory: where the key of the file handles is kept, in the file `handle.key`. Nil: it is made anew,
    ///     and the handles of an earlier run are of no use.
    ///   - handles: how file handles are made.
    ///   - openFiles: how many objects stay open, see `OpenFileCache`.
    ///   - synchronizes: whether a change of a directory is on disk before it is answered, as RFC 1813 section 4.8
    ///     asks. Without it a crash of the whole machine can lose the last changes; a crash of the server alone loses
    ///     nothing.
    /// - Throws: ``ExportError`` or ``SystemError``, which say what cannot be served and why.
    package init(
        exports: [Export], stateDirectory: String?, handles: HandleKind = .automatic, openFiles: Int = 256,
        synchronizes: Bool = true, log: Logger = Logger(label: "FileServer")
    ) throws {
        _ = try Files.open("/proc/self/fd", O_RDONLY | O_DIRECTORY)
        seal = try HandleSeal(stateFile: stateDirectory.map { "\($0)/handle.key" })
        var served: [ServedExport] = []
        for export in exports {
            guard !served.contains(where: { $0.export.name == export.name }) else {
                throw ExportError("export \(export.name): the name is given twice")
            }
            let one = try ServedExport(export, seal, handles)
            guard !served.contains(where: { $0.number == one.number }) else {
                throw ExportError("export \(export.name): it cannot be told from another one; give it another name")
            }
            log.info(
                "serving",
                metadata: [
                    "export": "\(export.name)", "directory": "\(export.directory)",
                    "access": "\(export.readOnly ? "ro" : "rw")",
                    "handles": "\(one.tag == KernelHandles.tag ? "kernel" : "table")",
                ])
            served.append(one)
        }
        self.exports = served
        self.synchronizes = synchronizes
        self.log = log
        cache = OpenFileCache(limit: openFiles)
    }

    /// What the RPC server is to answer: NFS and MOUNT.
    package var programs: [any Program] { [NFSProgram(self), MountProgram(self)] }

    /// Closes files that no client used for `seconds`. To be called now and then: a file that somebody else removed
    /// keeps its space as long as it is open here.
    package func closeIdleFiles(after seconds: Double) {
        let age = UInt64(exactly: (max(0, seconds) * 1e9).rounded()) ?? .max
        let (time, overflow) = Deadline.clock.subtractingReportingOverflow(age)
        if !overflow { cache.drop(unusedSince: time) }
    }

    /// What a handle is for.
    ///
    /// - Throws: NFS3ERR_BADHANDLE where it was not made here; NFS3ERR_STALE where the object or the export is gone.
    func file(_ handle: FileHandle) throws(NFSStatus) -> OpenFile {
        if let file = cache[handle] {
            do throws(NFSStatus) {
                _ = try file.status()
                return file
            } catch {
                cache.drop(file.identity)
                throw error
            }
        }
        guard let contents = seal.open(handle) else { throw .badHandle }
        guard let export = exports.first(where: { $0.number == contents.export }), export.tag == contents.strategy
        else {
            throw .stale
        }
        let opened: Descriptor
        do throws(SystemError) {
            opened = try export.strategy.open(contents.object)
        } catch {
            // ENOENT: some file systems say so where others say ESTALE.
            throw error.errno == .noSuchFileOrDirectory ? .stale : NFSStatus(error.errno)
        }
        let descriptor = opened.raw
        let status = try nfs { () throws(SystemError) in try Files.status(descriptor) }
        guard status.st_nlink > 0 else { throw .stale }
        return cache.insert(OpenFile(export, handle, opened, status))
    }

    /// ``file(_:)`` for a handle that must be a directory's.
    func directory(_ handle: FileHandle) throws(NFSStatus) -> OpenFile {
        let file = try file(handle)
        guard file.isDirectory else { throw .notDirectory }
        return file
    }

    /// ``directory(_:)`` where something is to be changed.
    func writableDirectory(_ handle: FileHandle) throws(NFSStatus) -> OpenFile {
        let file = try directory(handle)
        guard !file.export.export.readOnly else { throw .readOnly }
        return file
    }

    /// The object of a checked name in a directory.
    func child(_ name: FileName, of directory: OpenFile) throws(NFSStatus) -> OpenFile {
        let opened: Descriptor
        do throws(SystemError) {
            opened = try FileCalls.open(beneath: directory.path.raw, name, FileCalls.path)
        } catch {
            // EXDEV: another file system is mounted there, which is not exported.
            throw error.errno == .improperLink ? .accessDenied : NFSStatus(error.errno)
        }
        return try keep(opened, directory.export, at: Place(directory: directory.identity, name: name))
    }

    /// An object just opened, with its handle, in the cache.
    func keep(
        _ opened: consuming Descriptor, _ export: ServedExport, at place: Place?, created: Bool = false
    ) throws(NFSStatus) -> OpenFile {
        let descriptor = opened.raw
        let status = try nfs { () throws(SystemError) in try Files.status(descriptor) }
        let handle = try nfs { () throws(SystemError) in try export.handle(descriptor, status, at: place) }
        return cache.insert(OpenFile(export, handle, opened, status, created: created))
    }

    /// The root of an export.
    func root(_ export: ServedExport) throws(NFSStatus) -> OpenFile {
        let opened = try nfs { () throws(SystemError) in
            try FileCalls.open(beneath: export.root.raw, ".", FileCalls.path)
        }
        return try keep(opened, export, at: nil)
    }

    /// Puts a directory's change on disk, where that was asked for.
    func synchronize(_ directory: OpenFile) throws(NFSStatus) {
        guard synchronizes else { return }
        try nfs { () throws(SystemError) in try FileCalls.synchronize(directory: directory.path.raw) }
    }
}

/// Who mounted what, for DUMP.
struct MountRecord: Hashable, Sendable {
    let host: FileName
    let path: FileName
}
