import Glibc
import Kernel
package import Logging
import NFS
package import RPC
import Synchronization
import SystemPackage

/// Directories served over NFS version 3: the exports, their file handles, and the files that are open.
///
/// Where the process may, each call acts with the rights of who makes it, see ``Caller``; elsewhere with those of the
/// process's own user.
package final class FileServer: Sendable {
    private let served = Mutex<[ServedExport]>([])
    let cache: OpenFileCache
    let listings: DirectoryListings
    let synchronizes: Bool
    private let offersXfer: Bool
    let unnamedFiles: Bool
    /// The write verifier, RFC 1813 section 3.3.7: another one with each start, and after data was lost.
    let writeVerifier = Atomic<UInt64>(UInt64.random(in: .min ... .max))
    let mounts = Mutex<[MountRecord]>([])
    let requests: RequestCache
    let checksumThreads = ChecksumThreads(limit: 2)
    /// Held while a PUT's temporary name is made or moved.
    let temporaryNames = Mutex<Void>(())
    let log: Logger
    private let seal: HandleSeal
    private let handles: HandleKind

    /// - Parameters:
    ///   - exports: what to serve.
    ///   - stateDirectory: where the key of the file handles is kept, in the file `handle.key`, and what calls were
    ///     answered, in `requests`. Nil: the key is made anew, and the handles of an earlier run are of no use; calls
    ///     sent again after a restart are done again.
    ///   - handles: how file handles are made.
    ///   - cookies: how directories are listed.
    ///   - openFiles: how many objects stay open, see `OpenFileCache`.
    ///   - synchronizes: whether a change of a directory is on disk before it is answered, as RFC 1813 section 4.8
    ///     asks. Without it a crash of the whole machine can lose the last changes; a crash of the server alone loses
    ///     nothing.
    ///   - offersXfer: whether there is ``XferProgram`` beside NFS.
    ///   - unnamedFiles: whether a file of a PUT has no name until it is whole, where the file system can do that.
    /// - Throws: ``ExportError`` or ``SystemError``, which say what cannot be served and why.
    package init(
        exports: [Export], stateDirectory: String?, handles: HandleKind = .automatic,
        cookies: ListingCookies = .automatic, openFiles: Int = 256, synchronizes: Bool = true, offersXfer: Bool = true,
        unnamedFiles: Bool = true, log: Logger = Logger(label: "FileServer")
    ) throws {
        _ = try Files.open("/proc/self/fd", O_RDONLY | O_DIRECTORY)
        seal = try HandleSeal(stateFile: stateDirectory.map { "\($0)/handle.key" })
        self.handles = handles
        self.synchronizes = synchronizes
        self.offersXfer = offersXfer
        self.unnamedFiles = unnamedFiles
        self.log = log
        cache = OpenFileCache(limit: openFiles)
        listings = DirectoryListings(cookies, secret: seal.secret(for: "directory cookies"))
        requests = RequestCache(stateFile: stateDirectory.map { "\($0)/requests" }, log: log)
        try reload(exports)
    }

    /// The exports as they are now.
    var exports: [ServedExport] { served.withLock { $0 } }

    /// Serves these exports from the next call on. What was served before and still is keeps its handles; the handles of
    /// what is not are stale.
    ///
    /// - Throws: ``ExportError`` or ``SystemError``, which say what cannot be served and why: then nothing has changed.
    package func reload(_ exports: [Export]) throws {
        let before = self.exports
        var after: [ServedExport] = []
        var updates: [(ServedExport, Export)] = []
        for export in exports {
            guard !updates.contains(where: { $1.name == export.name }) else {
                throw ExportError("export \(export.name): the name is given twice")
            }
            let opened = try ServedExport(export, seal, handles)
            let one = before.first { $0.number == opened.number && $0.rootIdentity == opened.rootIdentity } ?? opened
            guard !after.contains(where: { $0.number == one.number }) else {
                throw ExportError("export \(export.name): it cannot be told from another one; give it another name")
            }
            after.append(one)
            updates.append((one, export))
        }
        for (one, export) in updates {
            one.serve(export)
            log.info(
                "serving",
                metadata: [
                    "export": "\(export.name)", "directory": "\(export.directory)",
                    "handles": "\(one.tag == KernelHandles.tag ? "kernel" : "table")",
                ])
        }
        served.withLock { $0 = after }
        for gone in before where !after.contains(where: { $0 === gone }) {
            gone.withdraw()
            cache.drop(of: gone)
            log.info("no longer served", metadata: ["export": "\(gone.name)"])
        }
    }

    /// Whether some export is there for clients with no more protection than this.
    package func isProtectionAsked(atMost level: TransportProtection) -> Bool {
        exports.contains { export in export.current?.rules.contains { $0.options.protection <= level } ?? false }
    }

    /// The export that a handle is of.
    ///
    /// - Throws: NFS3ERR_BADHANDLE where it was not made here; NFS3ERR_STALE where the export is gone.
    func export(of handle: FileHandle) throws(NFSStatus) -> ServedExport {
        if let file = cache[handle] { return file.export }
        guard let contents = seal.open(handle) else { throw .badHandle }
        return try export(contents)
    }

    private func export(_ contents: HandleSeal.Contents) throws(NFSStatus) -> ServedExport {
        guard let export = exports.first(where: { $0.number == contents.export }), export.tag == contents.strategy
        else {
            throw .stale
        }
        return export
    }

    /// What the RPC server is to answer: NFS and MOUNT, and XFER.
    package var programs: [any Program] {
        [NFSProgram(self), MountProgram(self)] + (offersXfer ? [XferProgram(self)] : [])
    }

    /// Closes files that no client used for `seconds`. To be called now and then: a file that somebody else removed
    /// keeps its space as long as it is open here.
    package func closeIdleFiles(after seconds: Double) {
        let age = UInt64(exactly: (max(0, seconds) * 1e9).rounded()) ?? .max
        let (time, overflow) = Deadline.clock.subtractingReportingOverflow(age)
        if !overflow { cache.drop(unusedSince: time) }
        listings.snapshots.dropUnused()
    }

    /// What a handle is for.
    ///
    /// - Parameter isKept: whether it stays open for further calls.
    /// - Throws: NFS3ERR_BADHANDLE where it was not made here; NFS3ERR_STALE where the object or the export is gone.
    func file(_ handle: FileHandle, isKept: Bool = true) throws(NFSStatus) -> OpenFile {
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
        let export = try export(contents)
        let opened: Descriptor
        do throws(SystemError) {
            // open_by_handle_at(2) takes a capability, and a search of the export all of root's rights.
            opened = try ThreadCredentials.asProcess { () throws(SystemError) in
                try export.strategy.open(contents.object)
            }
        } catch {
            // ENOENT: some file systems say so where others say ESTALE.
            throw error.errno == .noSuchFileOrDirectory ? .stale : NFSStatus(error.errno)
        }
        let descriptor = opened.raw
        let status = try nfs { () throws(SystemError) in try Files.status(descriptor) }
        guard status.st_nlink > 0 else { throw .stale }
        let file = OpenFile(export, handle, opened, status)
        return isKept ? cache.insert(file) : file
    }

    /// ``file(_:)`` for a handle that must be a directory's.
    func directory(_ handle: FileHandle) throws(NFSStatus) -> OpenFile {
        let file = try file(handle)
        guard file.isDirectory else { throw .notDirectory }
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
}

/// Who mounted what, for DUMP.
struct MountRecord: Hashable, Sendable {
    let host: FileName
    let path: FileName
}
