import CProtocol
import Glibc
import Kernel
package import Logging
import NFS
import RPC
import Synchronization

/// The duplicate request cache: a call that is sent again, since its reply was lost with the connection or the server,
/// is answered with the first reply and not done again.
///
/// Without a file it lasts as long as the process. With one it outlives the process's end, SIGKILL included: before a
/// call is done its slot says that it was begun, and afterwards what was answered.
package final class RequestCache: Sendable {
    private let table: Condition<RequestTable>
    private let file: Mutex<RequestFile?>
    private let sequence: Atomic<UInt64>
    private let log: Logger

    /// - Parameter stateFile: where calls are remembered across restarts; it is made when it is not there. One that
    ///   cannot be used is logged and never fatal: calls are remembered in memory then.
    package convenience init(stateFile: String?, log: Logger) { self.init(stateFile, RequestLimits(), log) }

    init(_ stateFile: String?, _ limits: RequestLimits, _ log: Logger) {
        self.log = log
        var table = RequestTable(limits)
        var file: RequestFile?
        var last: UInt64 = 0
        if let stateFile {
            do {
                let opened = try RequestFile(stateFile, slots: limits.entries)
                if let reason = opened.discarded {
                    log.warning(
                        "the file of requests is begun anew; calls from before the restart may be done twice",
                        metadata: ["file": "\(stateFile)", "reason": "\(reason)"])
                }
                last = try Self.restore(&table, from: opened, limits, stateFile, log)
                file = opened
            } catch {
                log.warning(
                    "requests are remembered in memory only; calls sent again after a restart may be done twice",
                    metadata: ["file": "\(stateFile)", "reason": "\(error)"])
            }
        }
        self.table = Condition(table)
        self.file = Mutex(file)
        sequence = Atomic(last)
    }

    /// - Returns: the largest sequence number found.
    private static func restore(
        _ table: inout RequestTable, from file: RequestFile, _ limits: RequestLimits, _ path: String, _ log: Logger
    ) throws -> UInt64 {
        let (records, damaged) = try file.records()
        if damaged > 0 {
            log.warning("the file of requests is damaged", metadata: ["file": "\(path)", "entries lost": "\(damaged)"])
        }
        // Ages are compared with the newest call's: the time that the server was down ages nothing, since no client
        // could send anything again.
        let newest = records.map(\.record.begun).max() ?? 0
        let now = Deadline.clock
        for (slot, record) in records where newest - record.begun < limits.lifetime {
            let phase = record.reply.map { RequestTable.Phase.done($0) } ?? .interrupted(since: record.begun)
            table.restore(record.key, phase, at: slot, now: now)
        }
        table.restored()
        // One that wraps would be a damaged file's; the order of calls is all that it would cost.
        return records.last?.record.sequence ?? 0
    }

    /// How many calls are remembered.
    var count: Int { table.withLock { $0.count } }

    /// The file's descriptor; nil where there is none, or none any more.
    var stateDescriptor: Int32? { file.withLock { $0?.file.raw } }

    /// Answers a call: with the reply of the first time, where it was done before; otherwise by `perform`. A call that
    /// is being done on another thread is waited for.
    ///
    /// - Parameter perform: does it. `since` is nil the first time; where an earlier process began it and was killed,
    ///   when: nanoseconds of CLOCK_REALTIME. It may have been done then, wholly or in part.
    /// - Returns: the answer. Only results are remembered, and NFS3ERR_JUKEBOX is not: the client is asked to try again.
    func answer(_ key: RequestKey, _ perform: (_ since: UInt64?) -> Answer) -> Answer {
        let start = table.wait { table -> RequestTable.Start? in
            let start = table.start(key, now: Deadline.clock)
            if case .wait = start { return nil }
            return start
        }
        switch start {
        case .reply(let results): return .results(results)
        case .run(let slot, let since):
            let sequence = sequence.wrappingAdd(1, ordering: .relaxed).newValue
            let begun = since ?? Self.wallClock
            if since == nil {
                write(RequestRecord(key: key, sequence: sequence, begun: begun, reply: nil), at: slot)
            }
            let answer = perform(since)
            let kept = Self.kept(answer)
            // Until the table knows, the slot is this call's alone.
            write(kept.map { RequestRecord(key: key, sequence: sequence, begun: begun, reply: $0) }, at: slot)
            table.withLock(wake: true) { $0.finish(slot, kept, now: Deadline.clock) }
            return answer
        case .unkept, .wait, nil: return perform(nil)
        }
    }

    private static func kept(_ answer: Answer) -> [UInt8]? {
        guard case .results(let results) = answer, !results.starts(with: NFSStatus.jukebox.rawValue.bigEndianBytes)
        else { return nil }
        return results
    }

    private func write(_ record: RequestRecord?, at slot: Int) {
        guard let file = file.withLock({ $0 }) else { return }
        do throws(SystemError) {
            try file.write(record, at: slot)
        } catch {
            let first = self.file.withLock { file in
                defer { file = nil }
                return file != nil
            }
            guard first else { return }
            log.warning(
                "the file of requests cannot be written; calls sent again after a restart may be done twice",
                metadata: ["reason": "\(error.errno)"])
        }
    }

    private static var wallClock: UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return UInt64(clamping: time.tv_sec) &* 1_000_000_000 &+ UInt64(clamping: time.tv_nsec)
    }
}
