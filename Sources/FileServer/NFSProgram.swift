import Kernel
import NFS
package import RPC

/// NFS version 3 (RFC 1813): which call goes to which procedure.
package struct NFSProgram: Program {
    let server: FileServer

    init(_ server: FileServer) { self.server = server }

    package var number: UInt32 { NFS.program }
    package var version: UInt32 { NFS.version }

    /// RENAME with the longest names and SYMLINK with the longest text are a little over 8 KiB; a WRITE's data does not
    /// count.
    package func argumentLimit(procedure: UInt32) -> Int { 16 << 10 }

    package func payload(procedure: UInt32, arguments: UnsafeRawBufferPointer) -> PayloadPosition {
        procedure == NFS.ProcedureNumber.write.rawValue ? NFS.writeCallPayload(arguments: arguments) : .none
    }

    package func call(_ call: Call, arguments: UnsafeRawBufferPointer) -> Answer {
        guard let procedure = NFS.ProcedureNumber(rawValue: call.procedure) else { return .procedureUnavailable }
        return switch procedure {
        case .null: .results([])
        case .getAttr: getAttr(arguments)
        case .setAttr: setAttr(arguments)
        case .lookup: lookup(arguments)
        case .access: access(arguments)
        case .readLink: readLink(arguments)
        case .read: read(arguments)
        case .write: write(arguments)
        case .create: create(arguments)
        case .mkDir: mkDir(arguments)
        case .symLink: symLink(arguments)
        case .mkNod: mkNod(arguments)
        case .remove: remove(arguments)
        case .rmDir: rmDir(arguments)
        case .rename: rename(arguments)
        case .link: link(arguments)
        case .readDir: readDir(arguments)
        case .readDirPlus: readDirPlus(arguments)
        case .fsStat: fsStat(arguments)
        case .fsInfo: fsInfo(arguments)
        case .pathConf: pathConf(arguments)
        case .commit: commit(arguments)
        }
    }

    package func begin(_ call: Call, arguments: UnsafeRawBufferPointer, payload count: Int) -> PayloadStart {
        guard call.procedure == NFS.ProcedureNumber.write.rawValue else { return .answered(.garbageArguments) }
        return beginWrite(arguments, payload: count)
    }

    /// Encoded results. What the server itself made always fits the limits; should it not, that is its fault.
    func answer<P: NFSProcedure>(_: P.Type, _ reply: P.Reply) -> Answer {
        guard let bytes = try? P.encode(reply) else { return .systemError }
        return .results(bytes)
    }

    /// What a directory or a file was before an operation.
    func before(_ file: OpenFile) throws(NFSStatus) -> WeakCacheData {
        WeakCacheData(before: WeakCacheData.Before(try file.attributes()))
    }
}

extension WeakCacheData {
    /// The same with what the file is now.
    func after(_ file: OpenFile?) -> WeakCacheData { WeakCacheData(before: before, after: try? file?.attributes()) }
}
