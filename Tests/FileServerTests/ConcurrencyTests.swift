import Kernel
import NFS
import Testing

@testable import FileServer

@Suite struct ConcurrencyTests {
    /// Several workers on one directory with a cache that is always too small: every call is answered as if it were alone.
    @Test(arguments: [HandleKind.automatic, .table])
    func workersDoNotDisturbEachOther(kind: HandleKind) throws {
        let f = try Fixture(kind, directory: Directory(in: Directory.memory), openFiles: 8)
        let failures = Condition<[String]>([])
        let threads = try (0..<4).map { worker in
            try Thread("worker") {
                do {
                    for round in 0..<60 {
                        let name = FileName("file-\(worker)-\(round % 7)")
                        let made = try f.call(NFS.Create.self, .init(f.target(name), .guarded(.init())))
                        guard let file = made.object else { throw NFSError(malformed: .create, "no handle") }
                        _ = try f.write(file, "\(worker) \(round)")
                        let moved = FileName("moved-\(worker)")
                        _ = try f.call(NFS.Rename.self, .init(from: f.target(name), to: f.target(moved)))
                        guard try f.read(file).1 == "\(worker) \(round)", try f.lookup(moved) == file else {
                            throw NFSError(.serverFault, .read, "another file's bytes")
                        }
                        _ = try f.list()
                        _ = try f.call(NFS.Remove.self, f.target(moved))
                        guard try f.failure(NFS.GetAttr.self, file) == .stale else {
                            throw NFSError(.serverFault, .getAttr, "a removed file was served")
                        }
                    }
                } catch {
                    failures.withLock { $0.append("\(error)") }
                }
            }
        }
        for thread in threads { thread.join() }
        failures.withLock { #expect($0 == []) }
        #expect(try f.list().entries.count == 2)
    }
}
