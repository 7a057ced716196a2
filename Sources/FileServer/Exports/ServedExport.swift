import Glibc
import Kernel
import NFS
import Synchronization
import SystemPackage

/// How an export's file handles are made.
package enum HandleKind: Sendable, Hashable {
    /// Kernel handles where they can be had, the table otherwise.
    case automatic
    /// The table, also where kernel handles can be had.
    case table
}

/// An export that was found fit to be served.
final class ServedExport: Sendable {
    /// What clients call it.
    let name: String
    private let served: Mutex<Export?>
    /// The export's number in its file handles.
    let number: UInt32
    /// Opened for reading.
    let root: SharedDescriptor
    let rootIdentity: Identity
    let strategy: any HandleStrategy
    let tag: UInt8
    private let seal: HandleSeal

    init(_ export: Export, _ seal: HandleSeal, _ kind: HandleKind) throws {
        do throws(SystemError) {
            root = SharedDescriptor(try Files.open(export.directory, O_RDONLY | O_DIRECTORY))
        } catch {
            throw ExportError("export \(export.name): \(export.directory): \(Self.words(error.errno))")
        }
        let status = try Files.status(root.raw)
        name = export.name
        served = Mutex(export)
        self.seal = seal
        rootIdentity = Identity(status)
        // The directory is part of it: after the name is given to another directory, the handles of the old one are
        // stale.
        number = seal.number(of: "\(export.name) \(Self.canonical(export.directory)) \(status.st_ino)")
        if kind == .automatic, let kernel = try? KernelHandles(root) {
            strategy = kernel
            tag = KernelHandles.tag
        } else {
            strategy = try TableHandles(root)
            tag = TableHandles.tag
        }
    }

    /// As the administrator has it now; nil after it was withdrawn.
    var current: Export? { served.withLock { $0 } }

    /// The same directory by the same name, under other rules.
    func serve(_ export: Export) { served.withLock { $0 = export } }

    /// No call comes to it from now on.
    func withdraw() { served.withLock { $0 = nil } }

    static func words(_ errno: Errno) -> String {
        switch errno {
        case .noSuchFileOrDirectory: "no such directory"
        case .notDirectory: "not a directory"
        default: "\(errno)"
        }
    }

    private static func canonical(_ path: String) -> String {
        guard let real = realpath(path, nil) else { return path }
        defer { free(real) }
        return String(cString: real)
    }

    /// The handle of an object that is open as `descriptor`.
    func handle(_ descriptor: Int32, _ status: stat, at place: Place?) throws(SystemError) -> FileHandle {
        try sealed(strategy.object(descriptor, status, at: place))
    }

    /// The handle of an object by its name.
    func handle(in directory: Int32, _ status: stat, at place: Place) throws(SystemError) -> FileHandle {
        try sealed(strategy.object(in: directory, status, at: place))
    }

    private func sealed(_ object: [UInt8]) throws(SystemError) -> FileHandle {
        guard let handle = seal.seal(export: number, strategy: tag, object: object) else {
            throw SystemError("name_to_handle_at", .overflow)
        }
        return handle
    }
}
