import NFS
import RPC
import Synchronization
import TestSupport

/// XFER of a ``ForeignServer``, which answers as a test has it.
final class ForeignXfer: Program {
    let version: UInt32
    private let results: @Sendable (Xfer.ProcedureNumber, _ count: Int) -> Answer
    private let seen = Mutex<[Xfer.ProcedureNumber: [UInt32]]>([:])

    /// - Parameter results: `count` is how many calls of the procedure came, from 1 on.
    init(version: UInt32 = 1, _ results: @escaping @Sendable (Xfer.ProcedureNumber, _ count: Int) -> Answer) {
        self.version = version
        self.results = results
    }

    /// One that has CAPABILITIES as xferd has, and answers the rest by `results`.
    static func capable(
        putMaximum: UInt32 = 1 << 20, algorithms: UInt32 = 3, hasWholeReads: Bool = false,
        _ results: @escaping @Sendable (Xfer.ProcedureNumber, _ count: Int) throws -> [UInt8]
    ) -> ForeignXfer {
        ForeignXfer { procedure, count in
            let capabilities = Xfer.Capabilities.Success(
                algorithms: algorithms, isWritable: true, putMaximum: putMaximum, digestMaximum: 4096,
                rangeMaximum: 256 << 20, segmentMaximum: 512, hasWholeReads: hasWholeReads)
            let bytes =
                procedure == .capabilities
                ? try? Xfer.Capabilities.encode(.success(capabilities)) : try? results(procedure, count)
            return bytes.map { .results($0) } ?? .systemError
        }
    }

    var number: UInt32 { Xfer.program }

    /// The xids of the calls that came.
    func transactions(_ procedure: Xfer.ProcedureNumber) -> [UInt32] { seen.withLock { $0[procedure] ?? [] } }

    func argumentLimit(procedure: UInt32) -> Int { 16 << 20 }
    func cleartextAccess(procedure: UInt32) -> CleartextAccess { .lasting }

    func call(_ call: Call, arguments: UnsafeRawBufferPointer) -> Answer {
        guard let procedure = Xfer.ProcedureNumber(rawValue: call.procedure) else { return .procedureUnavailable }
        let count = seen.withLock { seen in
            seen[procedure, default: []].append(call.transaction)
            return seen[procedure]?.count ?? 0
        }
        return results(procedure, count)
    }

    /// The server has to end the connection: bytes that the file has not.
    static var lost: Answer { .file([], TestFile().descriptor, offset: 0, count: 4) }
}
