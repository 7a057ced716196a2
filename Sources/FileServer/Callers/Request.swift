import Glibc
import Kernel
import Logging
import NFS
import RPC

/// One call of NFS version 3 or of XFER, admitted to an export. Each procedure is a function of it, in Procedures/ and Xfer/.
///
/// The thread acts as the caller while a procedure runs, but for the procedures that touch data by descriptors: see
/// ``NFS/ProcedureNumber/goesByDescriptor``. What needs the server's own rights says so, with
/// ``ThreadCredentials/asProcess(_:)``.
struct Request {
    let server: FileServer
    let caller: Caller

    var identity: FileIdentity? { caller.identity }

    /// - Throws: NFS3ERR_ROFS where the export lets the caller change nothing.
    func requireWritable() throws(NFSStatus) {
        if caller.options.readOnly { throw .readOnly }
    }

    /// Encoded results. What the server itself made always fits the limits; should it not, that is its fault.
    func answer<P: StatusProcedure>(_: P.Type, _ reply: P.Reply) -> Answer {
        guard let bytes = try? P.encode(reply) else { return .systemError }
        return .results(bytes)
    }

    /// An answer that is found acting as `identity`; SYSTEM_ERR where the kernel does not let the thread.
    func answer(as identity: FileIdentity?, _ body: () -> Answer) -> Answer {
        do throws(NFSStatus) {
            return try ThreadCredentials.perform(as: identity, orThrow: { _ in NFSStatus.serverFault }) {
                () throws(NFSStatus) in body()
            }
        } catch {
            server.log.error("cannot act as the caller", metadata: ["uid": "\(identity?.uid ?? 0)"])
            return .systemError
        }
    }

    /// Puts a directory's change on disk, where that is asked for.
    func synchronize(_ directory: OpenFile) throws(NFSStatus) {
        guard server.synchronizes, caller.options.synchronous else { return }
        let opened = try directory.reader()
        try nfs { () throws(SystemError) in _ = try systemCall("fsync") { fsync(opened.raw) } }
    }

    /// Puts a regular file on disk, with its attributes, where that is asked for and it can be opened.
    func synchronize(file: OpenFile) throws(NFSStatus) {
        guard server.synchronizes, caller.options.synchronous, let opened = try? file.anyOpened() else { return }
        try nfs { () throws(SystemError) in _ = try systemCall("fsync") { fsync(opened.raw) } }
    }
}

extension NFS.ProcedureNumber {
    /// Whether it touches nothing but descriptors that are open, for which the kernel asks nobody's rights.
    var goesByDescriptor: Bool {
        switch self {
        case .null, .getAttr, .read, .write, .commit, .fsStat, .fsInfo, .pathConf: true
        default: false
        }
    }
}
