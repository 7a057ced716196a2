import Kernel
import NFS
package import RPC

/// XFER version 1 (Protocol/xfer.x): what NFS version 3 cannot say, on the same handles and for the same callers.
package struct XferProgram: Program {
    let server: FileServer

    init(_ server: FileServer) { self.server = server }

    package var number: UInt32 { Xfer.program }
    package var version: UInt32 { Xfer.version }

    /// PUBLISH with the longest names is a little over 8 KiB; a PUT's data does not count.
    package func argumentLimit(procedure: UInt32) -> Int {
        procedure == Xfer.ProcedureNumber.putFiles.rawValue ? Xfer.PutFiles.argumentLimit : 16 << 10
    }

    package func payload(procedure: UInt32, arguments: UnsafeRawBufferPointer) -> PayloadPosition {
        procedure == Xfer.ProcedureNumber.put.rawValue ? Xfer.Put.payload(arguments: arguments) : .none
    }

    package func cleartextAccess(procedure: UInt32) -> CleartextAccess {
        server.isProtectionAsked(atMost: .none) ? .lasting : .none
    }

    package func call(_ call: Call, arguments: UnsafeRawBufferPointer) -> Answer {
        guard let procedure = Xfer.ProcedureNumber(rawValue: call.procedure) else { return .procedureUnavailable }
        if procedure == .null { return .results([]) }
        let request: Request
        switch server.admit(call, arguments, failing: procedure.failure) {
        case .success(let admitted): request = admitted
        case .failure(let refusal): return refusal.answer
        }
        return switch procedure {
        case .null: .results([])
        case .capabilities: request.capabilities(call.peer, arguments)
        case .checksum: request.checksum(arguments)
        case .put: request.put(RequestKey(call, arguments: arguments), arguments)
        case .publish:
            server.requests.answer(RequestKey(call, arguments: arguments)) { _ in
                request.answer(as: request.identity) { request.publish(arguments) }
            }
        case .segments: request.segments(arguments)
        case .readFiles: request.readFiles(arguments)
        case .putFiles: request.putFiles(call, arguments)
        }
    }

    package func begin(_ call: Call, arguments: UnsafeRawBufferPointer, payload count: Int) -> PayloadStart {
        let procedure = Xfer.ProcedureNumber.put
        guard call.procedure == procedure.rawValue else { return .answered(.garbageArguments) }
        switch server.admit(call, arguments, failing: procedure.failure) {
        case .success(let request):
            return request.beginPut(RequestKey(call, arguments: arguments), arguments, payload: count)
        case .failure(let refusal): return .answered(refusal.answer)
        }
    }
}

extension Xfer.ProcedureNumber {
    /// Results that say nothing but the status.
    fileprivate func failure(_ status: NFSStatus) -> Answer {
        let words =
            switch self {
            case .null, .capabilities, .readFiles, .putFiles: 0
            // post_op_attr
            case .checksum, .segments: 1
            // wcc_data is two, a verifier as well
            case .put: 2
            case .publish: 4
            }
        return .results(status.rawValue.bigEndianBytes + [UInt8](repeating: 0, count: 4 * words))
    }
}
