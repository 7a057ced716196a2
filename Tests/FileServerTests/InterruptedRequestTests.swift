import CProtocol
import Glibc
import Kernel
import NFS
import RPC
import Testing

@testable import FileServer

/// The server is killed between a call and its reply, started again, and sent the call again.
@Suite struct InterruptedRequestTests {
    /// Two directories that last while servers come and go.
    private struct Place {
        let exported: Directory
        let state: Directory

        init() throws {
            exported = try Directory(in: Directory.memory)
            state = try Directory(in: Directory.memory)
        }

        func server(_ kind: HandleKind) throws -> Fixture {
            try Fixture(kind, directory: exported, state: state.path)
        }

        private func requests() throws -> RequestFile {
            try RequestFile(state.path + "/requests", slots: RequestLimits().entries)
        }

        /// The file as a server leaves it that is killed before its replies are written.
        func loseReplies() throws {
            let file = try requests()
            for (slot, record) in try file.records().records {
                try file.write(
                    RequestRecord(key: record.key, sequence: record.sequence, begun: record.begun, reply: nil),
                    at: slot)
            }
        }

        /// The file as a server leaves it that is killed before it has done anything.
        func begin(_ key: RequestKey, in seconds: Int) throws {
            let begun = UInt64(max(0, time(nil) + seconds)) * 1_000_000_000
            try requests().write(RequestRecord(key: key, sequence: 1, begun: begun, reply: nil), at: 3)
        }
    }

    private func call(_ procedure: NFS.ProcedureNumber, _ transaction: UInt32) -> Call {
        Call(
            transaction: transaction, program: NFS.program, version: 3, procedure: procedure.rawValue,
            credential: .system(uid: 0, gid: 0, groups: []), peer: Peer(address: "192.0.2.9:1", protection: .tls))
    }

    private func results(_ fixture: Fixture, _ call: Call, _ arguments: [UInt8]) throws -> [UInt8] {
        guard case .results(let bytes) = arguments.withUnsafeBytes({ fixture.nfs.call(call, arguments: $0) }) else {
            throw NFSError(malformed: .null, "not answered with results")
        }
        return bytes
    }

    /// Sends a call three times: the reply to the first is lost with the server, that to the second must be a success,
    /// and that to the third the same.
    ///
    /// - Parameters:
    ///   - error: what a call that is the second of its kind, and no retransmission, is answered.
    ///   - prepare: makes what the call needs, and the call's arguments.
    ///   - check: looks at the reply and at what there is.
    private func expectOnce<P: NFSProcedure>(
        _: P.Type, _ kind: HandleKind, otherwise error: NFSStatus?,
        prepare: (Fixture) throws -> P.Arguments, check: (P.Success, Fixture) throws -> Void
    ) throws {
        func send(_ place: Place, _ arguments: P.Arguments) throws {
            let bytes = try XDRCoder.encode(arguments)
            var replies: [[UInt8]] = []
            for _ in 1...2 {
                let fixture = try place.server(kind)
                replies.append(try results(fixture, call(P.number, 77), bytes))
                replies.append(try results(fixture, call(P.number, 77), bytes))
                try check(replies[0].withUnsafeBytes { try P.decode($0, subject: "test") }, fixture)
            }
            #expect(replies.allSatisfy { $0 == replies[0] })
        }
        // It was done.
        do {
            let place = try Place()
            let arguments: P.Arguments
            do {
                let fixture = try place.server(kind)
                arguments = try prepare(fixture)
                _ = try results(fixture, call(P.number, 77), XDRCoder.encode(arguments)).withUnsafeBytes {
                    try P.decode($0, subject: "test")
                }
            }
            try place.loseReplies()
            try send(place, arguments)
        }
        // It was not.
        do {
            let place = try Place()
            let arguments = try prepare(place.server(kind))
            let key = try XDRCoder.encode(arguments).withUnsafeBytes { RequestKey(call(P.number, 77), arguments: $0) }
            try place.begin(key, in: 0)
            try send(place, arguments)
        }
        // Somebody else had done it long before: the file says that the call was begun later.
        guard let error else { return }
        let place = try Place()
        let arguments: P.Arguments
        do {
            let fixture = try place.server(kind)
            arguments = try prepare(fixture)
            _ = try fixture.call(P.self, arguments)
        }
        let bytes = try XDRCoder.encode(arguments)
        try place.begin(bytes.withUnsafeBytes { RequestKey(call(P.number, 77), arguments: $0) }, in: 3600)
        let reply = try results(place.server(kind), call(P.number, 77), bytes)
        #expect(status { _ = try reply.withUnsafeBytes { try P.decode($0, subject: "test") } } == error)
        // And who sends it as a new call is told so too.
        #expect(try place.server(kind).failure(P.self, arguments) == error)
    }

    @Test(arguments: [HandleKind.automatic, .table]) func remove(kind: HandleKind) throws {
        try expectOnce(NFS.Remove.self, kind, otherwise: .noEntry) { fixture in
            try fixture.directory.write("f", "text")
            return fixture.target("f")
        } check: { reply, fixture in
            #expect(reply.after?.type == .directory)
            #expect(!fixture.directory.exists("f"))
        }
    }

    @Test(arguments: [HandleKind.automatic, .table]) func rmDir(kind: HandleKind) throws {
        try expectOnce(NFS.RmDir.self, kind, otherwise: .noEntry) { fixture in
            fixture.directory.make(directory: "d")
            return fixture.target("d")
        } check: { reply, fixture in
            #expect(reply.after?.type == .directory)
            #expect(!fixture.directory.exists("d"))
        }
    }

    @Test(arguments: [HandleKind.automatic, .table]) func mkDir(kind: HandleKind) throws {
        try expectOnce(NFS.MkDir.self, kind, otherwise: .exists) { fixture in
            .init(fixture.target("d"), SetAttributes(mode: 0o751))
        } check: { reply, fixture in
            let found = try fixture.lookup("d")
            #expect(reply.object == found)
            #expect(reply.attributes?.type == .directory && reply.attributes?.mode == 0o751)
            #expect(reply.directory.after?.type == .directory)
        }
    }

    @Test(arguments: [HandleKind.automatic, .table]) func symLink(kind: HandleKind) throws {
        try expectOnce(NFS.SymLink.self, kind, otherwise: .exists) { fixture in
            .init(fixture.target("l"), SetAttributes(), text: "to/somewhere")
        } check: { reply, fixture in
            let found = try fixture.lookup("l")
            #expect(reply.object == found)
            #expect(reply.attributes?.type == .symbolicLink)
            let text = try fixture.call(NFS.ReadLink.self, found).text
            #expect(text == "to/somewhere")
        }
    }

    @Test(arguments: [HandleKind.automatic, .table]) func mkNod(kind: HandleKind) throws {
        try expectOnce(NFS.MkNod.self, kind, otherwise: .exists) { fixture in
            .init(fixture.target("p"), .fifo(SetAttributes(mode: 0o622)))
        } check: { reply, fixture in
            let found = try fixture.lookup("p")
            #expect(reply.object == found)
            #expect(reply.attributes?.type == .fifo && reply.attributes?.mode == 0o622)
        }
    }

    @Test(arguments: [HandleKind.automatic, .table]) func createGuarded(kind: HandleKind) throws {
        try expectOnce(NFS.Create.self, kind, otherwise: .exists) { fixture in
            .init(fixture.target("f"), .guarded(SetAttributes(mode: 0o640, size: 5000)))
        } check: { reply, fixture in
            let found = try fixture.lookup("f")
            #expect(reply.object == found)
            #expect(reply.attributes?.mode == 0o640 && reply.attributes?.size == 5000)
        }
    }

    @Test(arguments: [HandleKind.automatic, .table]) func createUnchecked(kind: HandleKind) throws {
        try expectOnce(NFS.Create.self, kind, otherwise: nil) { fixture in
            .init(fixture.target("f"), .unchecked(SetAttributes(mode: 0o640, size: 0)))
        } check: { reply, fixture in
            let found = try fixture.lookup("f")
            #expect(reply.object == found)
            #expect(reply.attributes?.mode == 0o640)
        }
    }

    @Test(arguments: [HandleKind.automatic, .table]) func createExclusive(kind: HandleKind) throws {
        try expectOnce(NFS.Create.self, kind, otherwise: nil) { fixture in
            .init(fixture.target("f"), .exclusive(0x0102_0304_0506_0708))
        } check: { reply, fixture in
            let found = try fixture.lookup("f")
            #expect(reply.object == found)
            // Another verifier is another client's.
            let failure = try fixture.failure(NFS.Create.self, .init(fixture.target("f"), .exclusive(9)))
            #expect(failure == .exists)
        }
    }

    @Test(arguments: [HandleKind.automatic, .table]) func link(kind: HandleKind) throws {
        try expectOnce(NFS.Link.self, kind, otherwise: .exists) { fixture in
            try fixture.directory.write("f", "text")
            return .init(try fixture.lookup("f"), link: fixture.target("g"))
        } check: { reply, fixture in
            #expect(reply.attributes?.linkCount == 2)
            let text = try fixture.directory.read("g")
            #expect(text == "text")
            #expect(reply.directory.after?.type == .directory)
        }
    }

    @Test(arguments: [HandleKind.automatic, .table]) func rename(kind: HandleKind) throws {
        try expectOnce(NFS.Rename.self, kind, otherwise: .noEntry) { fixture in
            fixture.directory.make(directory: "d")
            try fixture.directory.write("f", "new")
            try fixture.directory.write("d/g", "old")
            return .init(from: fixture.target("f"), to: fixture.target("g", in: try fixture.lookup("d")))
        } check: { reply, fixture in
            let text = try fixture.directory.read("d/g")
            #expect(text == "new")
            #expect(!fixture.directory.exists("f"))
            #expect(reply.fromDirectory.after != nil && reply.toDirectory.after != nil)
        }
    }

    @Test(arguments: [HandleKind.automatic, .table]) func setAttrWithAGuard(kind: HandleKind) throws {
        try expectOnce(NFS.SetAttr.self, kind, otherwise: .notSynchronized) { fixture in
            try fixture.directory.write("f", "some text")
            let handle = try fixture.lookup("f")
            let changed = try fixture.attributes(handle).changeTime
            // File times are those of the clock's last tick: within the same one nobody sees another change.
            var now = timespec()
            repeat {
                clock_gettime(CLOCK_REALTIME_COARSE, &now)
            } while NFSTime(
                seconds: now.tv_sec, nanoseconds: now.tv_nsec) <= changed
            return .init(
                handle, SetAttributes(mode: 0o604, size: 4, modificationTime: .now), guardTime: changed)
        } check: { reply, fixture in
            #expect(reply.after?.mode == 0o604 && reply.after?.size == 4)
            let text = try fixture.directory.read("f")
            #expect(text == "some")
        }
    }

    // MARK: What the first time does not explain

    /// Begun, and before it was sent again somebody made something else of that name.
    private func expectRefused<P: NFSProcedure>(
        _: P.Type, _ error: NFSStatus, prepare: (Fixture) throws -> P.Arguments
    ) throws {
        let place = try Place()
        let arguments = try prepare(place.server(.automatic))
        let bytes = try XDRCoder.encode(arguments)
        try place.begin(bytes.withUnsafeBytes { RequestKey(call(P.number, 5), arguments: $0) }, in: 0)
        let reply = try results(place.server(.automatic), call(P.number, 5), bytes)
        #expect(status { _ = try reply.withUnsafeBytes { try P.decode($0, subject: "test") } } == error)
    }

    @Test func somethingElseIsThere() throws {
        try expectRefused(NFS.MkDir.self, .exists) { fixture in
            try fixture.directory.write("n", "")
            return .init(fixture.target("n"), SetAttributes())
        }
        try expectRefused(NFS.Create.self, .exists) { fixture in
            fixture.directory.make(directory: "n")
            return .init(fixture.target("n"), .guarded(SetAttributes()))
        }
        try expectRefused(NFS.Create.self, .exists) { fixture in
            try fixture.directory.write("n", "somebody has written")
            return .init(fixture.target("n"), .guarded(SetAttributes()))
        }
        try expectRefused(NFS.Create.self, .exists) { fixture in
            try fixture.directory.write("n", "somebody has written")
            return .init(fixture.target("n"), .exclusive(1))
        }
        try expectRefused(NFS.SymLink.self, .exists) { fixture in
            symlink("another text", fixture.directory.path + "/n")
            return .init(fixture.target("n"), SetAttributes(), text: "text")
        }
        try expectRefused(NFS.MkNod.self, .exists) { fixture in
            mkfifo(fixture.directory.path + "/n", 0o600)
            return .init(fixture.target("n"), .socket(SetAttributes()))
        }
        try expectRefused(NFS.Link.self, .exists) { fixture in
            try fixture.directory.write("f", "")
            try fixture.directory.write("n", "")
            return .init(try fixture.lookup("f"), link: fixture.target("n"))
        }
        try expectRefused(NFS.Rename.self, .noEntry) { fixture in
            .init(from: fixture.target("missing"), to: fixture.target("missing too"))
        }
        try expectRefused(NFS.SetAttr.self, .notSynchronized) { fixture in
            try fixture.directory.write("f", "")
            let handle = try fixture.lookup("f")
            return .init(handle, SetAttributes(mode: 0o611), guardTime: NFSTime(seconds: 1, nanoseconds: 0))
        }
    }

    /// Killed between the creation and the attributes: they are set when the call comes again.
    @Test func halfOfACreate() throws {
        for how in [
            NFS.Create.How.guarded(SetAttributes(mode: 0o644)), .unchecked(SetAttributes(mode: 0o644, size: 0)),
            .exclusive(0x0102_0304_0506_0708),
        ] {
            let place = try Place()
            let arguments = NFS.Create.Arguments(try place.server(.automatic).target("f"), how)
            let bytes = try XDRCoder.encode(arguments)
            try place.begin(bytes.withUnsafeBytes { RequestKey(call(.create, 5), arguments: $0) }, in: 0)
            try place.exported.write("f", "", mode: 0o600)
            let fixture = try place.server(.automatic)
            let reply = try results(fixture, call(.create, 5), bytes).withUnsafeBytes {
                try NFS.Create.decode($0, subject: "test")
            }
            if case .exclusive = how {
                // Its verifier is what a third call is known by.
                #expect(try fixture.call(NFS.Create.self, arguments).object == reply.object)
            } else {
                #expect(reply.attributes?.mode == 0o644, "\(how)")
            }
        }
    }

    /// What was there long before keeps its mode: an UNCHECKED create sets the size alone.
    @Test func anOldFileKeepsItsMode() throws {
        let place = try Place()
        let arguments = NFS.Create.Arguments(
            try place.server(.automatic).target("f"), .unchecked(SetAttributes(mode: 0o644, size: 0)))
        let bytes = try XDRCoder.encode(arguments)
        try place.exported.write("f", "text", mode: 0o600)
        try place.begin(bytes.withUnsafeBytes { RequestKey(call(.create, 5), arguments: $0) }, in: 3600)
        let reply = try results(place.server(.automatic), call(.create, 5), bytes).withUnsafeBytes {
            try NFS.Create.decode($0, subject: "test")
        }
        #expect(reply.attributes?.mode == 0o600 && reply.attributes?.size == 0)
    }

    /// A file that somebody else made meanwhile is not the call's to cut or to stretch.
    @Test(Need.callers) func anotherUsersFileKeepsItsSize() throws {
        let place = try Place()
        chmod(place.exported.path, 0o777)
        var options = ExportOptions.forWriting
        options.squash = .root
        func server() throws -> Fixture {
            try Fixture(options: options, directory: place.exported, state: place.state.path)
        }
        let arguments = NFS.Create.Arguments(try server().target("f"), .guarded(SetAttributes(size: 4096)))
        let bytes = try XDRCoder.encode(arguments)
        try place.begin(bytes.withUnsafeBytes { RequestKey(call(.create, 5), arguments: $0) }, in: 0)
        try place.exported.write("f", "", mode: 0o644)
        let reply = try results(server(), call(.create, 5), bytes)
        #expect(Answer.results(reply).status == .exists)
        #expect(try server().attributes(server().lookup("f")).size == 0)
    }
}
