import Logging
import NFS
import RPC

/// A call that gets no further.
struct Refusal: Error {
    let answer: Answer
}

extension FileServer {
    /// Whether the call may come to the export of the handle that its arguments begin with: those of all procedures of NFS
    /// and XFER do, but NULL's.
    ///
    /// - Parameter failure: the procedure's answer with a status and nothing else.
    func admit(
        _ call: Call, _ arguments: UnsafeRawBufferPointer, failing failure: (NFSStatus) -> Answer
    ) -> Result<Request, Refusal> {
        guard let handle = FileHandle(firstOf: arguments) else { return .failure(Refusal(answer: .garbageArguments)) }
        do throws(NFSStatus) {
            switch try export(of: handle).admit(call) {
            case .admitted(let caller): return .success(Request(server: self, caller: caller))
            case .refused(let status): throw status
            case .denied(let status, let reason):
                log.warning(
                    "a call is refused", metadata: ["peer": "\(call.peer.address)", "reason": "\(reason)"])
                return .failure(Refusal(answer: .denied(status)))
            }
        } catch {
            return .failure(Refusal(answer: failure(error)))
        }
    }
}

extension FileHandle {
    /// The handle that encoded arguments begin with; nil where they do not.
    fileprivate init?(firstOf arguments: UnsafeRawBufferPointer) {
        guard let length = UInt32(bigEndianBytes: arguments.prefix(4)).map(Int.init), length <= Self.limit,
            arguments.count >= 4 + length
        else { return nil }
        self.init(Array(arguments[4..<(4 + length)]))
    }
}
