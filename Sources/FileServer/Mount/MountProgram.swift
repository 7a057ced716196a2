import NFS
package import RPC

/// MOUNT version 3 (RFC 1813 appendix I): which call goes to which procedure.
package struct MountProgram: Program {
    let server: FileServer

    init(_ server: FileServer) { self.server = server }

    package var number: UInt32 { Mount.program }
    package var version: UInt32 { Mount.version }

    package func argumentLimit(procedure: UInt32) -> Int { 4 + Mount.pathLimit }

    package func cleartextAccess(procedure: UInt32) -> CleartextAccess {
        let isAnswered =
            server.isProtectionAsked(atMost: .none)
            || server.exports.contains { $0.current?.rules.contains { $0.options.cleartextMount } ?? false }
        return isAnswered ? .brief : .none
    }

    package func call(_ call: Call, arguments: UnsafeRawBufferPointer) -> Answer {
        guard let procedure = Mount.ProcedureNumber(rawValue: call.procedure) else { return .procedureUnavailable }
        let host = FileName(call.peer.host)
        return switch procedure {
        case .null: .results([])
        case .mnt: mnt(arguments, call, from: host)
        case .dump: dump()
        case .umnt: umnt(arguments, from: host)
        case .umntAll: umntAll(from: host)
        case .export: export()
        }
    }
}

extension Peer {
    /// The address without the port.
    fileprivate var host: String {
        guard let colon = address.lastIndex(of: ":") else { return address }
        return String(address[..<colon])
    }
}
