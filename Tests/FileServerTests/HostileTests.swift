import NFS
import RPC
import Testing

@testable import FileServer

/// Arguments that no client would send: an answer each time, and the server lives.
@Suite struct HostileTests {
    private func calls(_ f: Fixture) throws -> [(NFS.ProcedureNumber, [UInt8])] {
        let file = try f.lookup("file")
        let (root, target) = (f.root, f.target("file"))
        let set = SetAttributes(mode: 0o600, uid: nil, size: 5, accessTime: .now)
        return try [
            (.getAttr, XDRCoder.encode(file)),
            (
                .setAttr,
                XDRCoder.encode(
                    NFS.SetAttr.Arguments(file, set, guardTime: NFSTime(seconds: 1 as UInt32, nanoseconds: 1)))
            ),
            (.lookup, XDRCoder.encode(target)),
            (.access, XDRCoder.encode(NFS.Access.Arguments(file, .read))),
            (.readLink, XDRCoder.encode(file)),
            (.read, XDRCoder.encode(NFS.Read.Arguments(file, offset: 0, count: 100))),
            (.create, XDRCoder.encode(NFS.Create.Arguments(f.target("new"), .guarded(set)))),
            (.create, XDRCoder.encode(NFS.Create.Arguments(f.target("new"), .exclusive(5)))),
            (.mkDir, XDRCoder.encode(NFS.MkDir.Arguments(f.target("dir"), set))),
            (.symLink, XDRCoder.encode(NFS.SymLink.Arguments(f.target("link"), set, text: "to"))),
            (.mkNod, XDRCoder.encode(NFS.MkNod.Arguments(f.target("fifo"), .fifo(set)))),
            (.remove, XDRCoder.encode(f.target("other"))),
            (.rmDir, XDRCoder.encode(f.target("other"))),
            (.rename, XDRCoder.encode(NFS.Rename.Arguments(from: f.target("other"), to: f.target("x")))),
            (.link, XDRCoder.encode(NFS.Link.Arguments(file, link: f.target("y")))),
            (.readDir, XDRCoder.encode(NFS.ReadDir.Arguments(root, count: 1000))),
            (.readDirPlus, XDRCoder.encode(NFS.ReadDirPlus.Arguments(root, directoryCount: 1000, maximumCount: 1000))),
            (.fsStat, XDRCoder.encode(root)), (.fsInfo, XDRCoder.encode(root)), (.pathConf, XDRCoder.encode(root)),
            (.commit, XDRCoder.encode(NFS.Commit.Arguments(file, offset: 0, count: 0))),
        ]
    }

    private func isGarbage(_ answer: Answer) -> Bool {
        if case .garbageArguments = answer { true } else { false }
    }

    @Test(arguments: [HandleKind.automatic, .table])
    func argumentsCutAnywhereAreGarbage(kind: HandleKind) throws {
        let f = try Fixture(kind)
        try f.directory.write("file", "content")
        for (procedure, arguments) in try calls(f) {
            for length in 0..<arguments.count {
                #expect(
                    isGarbage(f.nfs.call(procedure, Array(arguments.prefix(length)))), "\(procedure) cut at \(length)")
            }
            #expect(isGarbage(f.nfs.call(procedure, arguments + [0, 0, 0, 0])), "\(procedure) with more")
            #expect(!isGarbage(f.nfs.call(procedure, arguments)), "\(procedure)")
        }
    }

    @Test(arguments: [HandleKind.automatic, .table])
    func argumentsChangedAnywhereAreAnswered(kind: HandleKind) throws {
        let f = try Fixture(kind)
        try f.directory.write("file", "content")
        let calls = try calls(f)
        for round in 0..<3000 {
            let (procedure, arguments) = calls[round % calls.count]
            var changed = arguments
            for _ in 0..<Int.random(in: 1...4) { changed[Int.random(in: changed.indices)] = .random(in: 0...255) }
            if case .systemError = f.nfs.call(procedure, changed) { Issue.record("\(procedure): \(changed)") }
        }
        _ = try f.attributes(f.root)
    }

    @Test func writesChangedAnywhereAreAnswered() throws {
        let f = try Fixture()
        try f.directory.write("file", "content")
        let head = try NFS.Write.encode(.init(f.lookup("file"), offset: 0, count: 8, stability: .unstable))
        for _ in 0..<3000 {
            var changed = head
            for _ in 0..<2 { changed[Int.random(in: changed.indices)] = .random(in: 0...255) }
            guard
                case .at(let offset, let count) = changed.withUnsafeBytes({ f.nfs.payload(procedure: 7, arguments: $0) }
                )
            else { continue }
            #expect(offset <= changed.count && count <= NFS.payloadLimit)
            let start = changed.prefix(offset).withUnsafeBytes {
                f.nfs.begin(.of(.write), arguments: $0, payload: count)
            }
            if case .write(_, let finish) = start { _ = finish(nil) }
        }
    }

    @Test func unknownProceduresAndMountsGarbage() throws {
        let f = try Fixture()
        guard case .procedureUnavailable = f.nfs.call(.number(22), arguments: .init(start: nil, count: 0)),
            case .procedureUnavailable = f.mount.call(.number(6), arguments: .init(start: nil, count: 0)),
            case .answered(.garbageArguments) = f.nfs.begin(
                .of(.read), arguments: .init(start: nil, count: 0), payload: 4)
        else {
            Issue.record("a procedure that there is not was answered")
            return
        }
        let path = try Mount.encode(path: "/e")
        for length in 0..<path.count {
            let answer = path.prefix(length).withUnsafeBytes { f.mount.call(.number(1), arguments: $0) }
            #expect(isGarbage(answer))
        }
    }
}
