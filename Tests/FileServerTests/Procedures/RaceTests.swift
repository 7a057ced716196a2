import Kernel
import NFS
import TestSupport
import Testing

@testable import FileServer

/// Calls about one name at once: each is answered as if it came before or after the others (RFC 1813 section 3.3.8: a
/// CREATE UNCHECKED does not fail for a name's sake).
@Suite(.enabled(if: TestedLayers.lab == nil, "nothing in it depends on who makes the records; not in the kTLS lab"))
struct RaceTests {
    @Test func aNameThatComesAndGoes() throws {
        let f = try Fixture.inMemory()
        let ended = Condition(false)
        let unexpected = Condition<Set<NFSStatus>>([])
        func worker(_ expected: Set<NFSStatus>, _ call: @escaping @Sendable () throws -> NFSStatus?) throws -> Thread {
            try Thread("worker") {
                while !ended.withLock({ $0 }) {
                    let status = (try? call()) ?? nil
                    if let status, !expected.contains(status) { unexpected.withLock { _ = $0.insert(status) } }
                }
            }
        }
        let workers = try [
            worker([.noEntry]) { try f.failure(NFS.Remove.self, f.target("name")) },
            worker([.noEntry]) { try f.failure(NFS.Lookup.self, f.target("name")) },
        ]
        for round in 0..<4000 {
            let how = NFS.Create.How.unchecked(round % 2 == 0 ? .init() : .init(size: 0))
            let status = try f.failure(NFS.Create.self, .init(f.target("name"), how))
            if let status { unexpected.withLock { _ = $0.insert(status) } }
        }
        ended.withLock(wake: true) { $0 = true }
        for worker in workers { worker.join() }
        unexpected.withLock { #expect($0 == []) }
    }
}
