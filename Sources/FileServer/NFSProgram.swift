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

    package func cleartextAccess(procedure: UInt32) -> CleartextAccess {
        server.isProtectionAsked(atMost: .none) ? .lasting : .none
    }

    package func call(_ call: Call, arguments: UnsafeRawBufferPointer) -> Answer {
        guard let procedure = NFS.ProcedureNumber(rawValue: call.procedure) else { return .procedureUnavailable }
        if procedure == .null { return .results([]) }
        let request: Request
        switch server.admit(call, arguments, failing: procedure.failure) {
        case .success(let admitted): request = admitted
        case .failure(let refusal): return refusal.answer
        }
        guard procedure.isRemembered else { return perform(request, procedure, arguments, since: nil) }
        return server.requests.answer(RequestKey(call, arguments: arguments)) { since in
            perform(request, procedure, arguments, since: since)
        }
    }

    /// - Parameter since: when an earlier process began the call, see ``InterruptedRequest``.
    private func perform(
        _ request: Request, _ procedure: NFS.ProcedureNumber, _ arguments: UnsafeRawBufferPointer, since: UInt64?
    ) -> Answer {
        let identity = procedure.goesByDescriptor ? nil : request.identity
        return request.answer(as: identity) {
            let answer = request.perform(procedure, arguments)
            guard let since else { return answer }
            return InterruptedRequest(request: request, since: since).answer(answer, procedure, arguments)
        }
    }

    package func begin(_ call: Call, arguments: UnsafeRawBufferPointer, payload count: Int) -> PayloadStart {
        guard call.procedure == NFS.ProcedureNumber.write.rawValue else { return .answered(.garbageArguments) }
        switch server.admit(call, arguments, failing: NFS.ProcedureNumber.write.failure) {
        case .success(let request): return request.beginWrite(arguments, payload: count)
        case .failure(let refusal): return .answered(refusal.answer)
        }
    }
}

extension Request {
    fileprivate func perform(_ procedure: NFS.ProcedureNumber, _ arguments: UnsafeRawBufferPointer) -> Answer {
        switch procedure {
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
}

extension NFS.ProcedureNumber {
    /// Results that say nothing but the status: all that follows an error is optional attributes, and there are none.
    fileprivate func failure(_ status: NFSStatus) -> Answer {
        let absent =
            switch self {
            case .null, .getAttr: 0
            // post_op_attr
            case .lookup, .access, .readLink, .read, .readDir, .readDirPlus, .fsStat, .fsInfo, .pathConf: 1
            // wcc_data is two, with LINK's post_op_attr three, of RENAME's there are two
            case .setAttr, .write, .create, .mkDir, .symLink, .mkNod, .remove, .rmDir, .commit: 2
            case .link: 3
            case .rename: 4
            }
        return .results(status.rawValue.bigEndianBytes + [UInt8](repeating: 0, count: 4 * absent))
    }
}
