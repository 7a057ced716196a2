import Checksums
import Glibc
import NFS
import RPC
import Testing

@testable import FileServer

/// Who may call XFER, and what is answered to bytes that are no call of it.
@Suite struct XferProgramTests {
    @Test func capabilities() throws {
        let f = try Fixture.forXfer()
        let found = try f.xfer(Xfer.Capabilities.self, f.root)
        #expect(
            found
                == .init(
                    algorithms: 0b11, isWritable: true, putMaximum: 1 << 20, digestMaximum: 4096,
                    rangeMaximum: 256 << 20, segmentMaximum: 512, hasWholeReads: true, hasManyFiles: true))
        #expect(Int(found.digestMaximum) * 32 <= Xfer.digestLimit)
        let closed = try Fixture.forXfer { $0.readOnly = true }
        #expect(try !closed.xfer(Xfer.Capabilities.self, closed.root).isWritable)
        guard case .results([]) = f.answer(.null, []) else {
            Issue.record("NULL")
            return
        }
    }

    @Test func onePartOfTheServer() throws {
        let f = try Fixture.forXfer()
        #expect(f.server.programs.map(\.number).contains(Xfer.program))
        let without = try FileServer(
            exports: [Export(name: "/e", directory: f.directory.path, options: .forWriting)], stateDirectory: nil,
            offersXfer: false, log: quiet)
        #expect(without.programs.map(\.number) == [NFS.program, Mount.program])
    }

    /// One call of each procedure that there is to be admitted.
    private func calls(_ f: Fixture) throws -> [(Xfer.ProcedureNumber, [UInt8])] {
        try f.directory.write("file", "content")
        let file = try f.lookup("file")
        return [
            (.capabilities, try XDRCoder.encode(f.root)),
            (
                .checksum,
                try XDRCoder.encode(Xfer.Checksum.Arguments(file, algorithm: 1, offset: 0, count: 9, blockSize: 4))
            ),
            (.put, try Xfer.Put.encode(.init(f.root, "new", temporary: "t", attributes: SetAttributes(), count: 0))),
            (
                .publish,
                try XDRCoder.encode(
                    Xfer.Publish.Arguments(
                        f.root, file: file, temporary: "file", name: "published", attributes: SetAttributes(),
                        expected: nil))
            ),
            (.segments, try XDRCoder.encode(Xfer.Segments.Arguments(file, offset: 0, count: 1))),
            (.readFiles, try Xfer.ReadFiles.encode(.init(file, [file, file]))),
            (.putFiles, try putFiles(f.root, in: f.root)),
        ]
    }

    private func putFiles(_ object: FileHandle, in directory: FileHandle) throws -> [UInt8] {
        var call = try Xfer.PutFiles.Call(.init(object))
        let file = Xfer.PutFiles.File(directory, "new", temporary: "t", attributes: SetAttributes())
        try Array("data".utf8).withUnsafeBytes { try call.append(file, $0) }
        return call.bytes
    }

    /// As for NFS: what the export asks of a connection, and of who calls.
    @Test func admission() throws {
        var f = try Fixture.forXfer()
        let calls = try calls(f)
        f.peer = Peer(address: "192.0.2.1:700", protection: .none)
        for (procedure, arguments) in calls {
            guard case .denied(.tooWeak) = f.answer(procedure, arguments) else {
                Issue.record("\(procedure) was answered in cleartext")
                continue
            }
        }
        let head = try #require(calls.first { $0.0 == .put }).1
        guard
            case .answered(.denied(.tooWeak)) = head.withUnsafeBytes({
                f.xfer.begin(f.call(.put), arguments: $0, payload: 0)
            })
        else {
            Issue.record("PUT began in cleartext")
            return
        }
        for procedure in 0...7 as ClosedRange<UInt32> {
            guard case .none = f.xfer.cleartextAccess(procedure: procedure) else {
                Issue.record("\(procedure) may be called in cleartext")
                continue
            }
        }
        let open = try Fixture.forXfer { $0.protection = .none }
        guard case .lasting = open.xfer.cleartextAccess(procedure: 1) else {
            Issue.record("xprtsec=none is refused")
            return
        }
        #expect(try f.directory.read("file") == "content" && !f.directory.exists("new"))
    }

    /// A foreign handle, one of an export that is gone, and one of another export.
    @Test func handles() throws {
        let f = try Fixture.forXfer()
        let other = try Fixture.forXfer()
        for (procedure, arguments) in try calls(other) {
            let answer = f.answer(procedure, arguments)
            #expect(answer.status == .badHandle, "\(procedure)")
            guard case .results(let bytes) = answer else { continue }
            let isReadable = bytes.withUnsafeBytes { bytes in
                switch procedure {
                case .null: false
                case .capabilities: Xfer.Capabilities.decodeReply(bytes) != nil
                case .checksum: Xfer.Checksum.decodeReply(bytes) != nil
                case .put: Xfer.Put.decodeReply(bytes) != nil
                case .publish: Xfer.Publish.decodeReply(bytes) != nil
                case .segments: Xfer.Segments.decodeReply(bytes) != nil
                case .readFiles: Xfer.ReadFiles.decodeReply(bytes) != nil
                case .putFiles: Xfer.PutFiles.decodeReply(bytes) != nil
                }
            }
            #expect(isReadable, "\(procedure)")
        }
        let server = try FileServer(
            exports: [
                Export(name: "/a", directory: f.directory.path, options: .forWriting),
                Export(name: "/b", directory: other.directory.path, options: .forWriting),
            ], stateDirectory: nil, log: quiet)
        let mount = MountProgram(server)
        let (a, b) = (try #require(try mount.mnt("/a")).root, try #require(try mount.mnt("/b")).root)
        let crossing = try XDRCoder.encode(
            Xfer.Publish.Arguments(a, file: b, temporary: "t", name: "n", attributes: SetAttributes(), expected: nil))
        let answer = crossing.withUnsafeBytes { XferProgram(server).call(f.call(.publish), arguments: $0) }
        #expect(answer.status == .crossDevice)
    }

    @Test func garbage() throws {
        let f = try Fixture.forXfer()
        for (procedure, arguments) in try calls(f) {
            for length in 0..<arguments.count {
                // What was admitted is not done before all of it was read.
                guard case .garbageArguments = f.answer(procedure, Array(arguments.prefix(length))) else {
                    Issue.record("\(procedure) cut at \(length)")
                    continue
                }
            }
            guard case .garbageArguments = f.answer(procedure, arguments + [0, 0, 0, 0]) else {
                Issue.record("\(procedure) with bytes left over")
                continue
            }
        }
        #expect(try f.names == ["file"])
        for procedure in [8, 9, .max] as [UInt32] {
            let call = Call(
                transaction: 1, program: Xfer.program, version: 1, procedure: procedure, credential: f.credential,
                peer: f.peer)
            guard case .procedureUnavailable = f.xfer.call(call, arguments: .init(start: nil, count: 0)),
                case .answered(.garbageArguments) = f.xfer.begin(
                    call, arguments: .init(start: nil, count: 0), payload: 4)
            else {
                Issue.record("procedure \(procedure) was answered")
                continue
            }
        }
    }

    @Test func callsChangedAnywhereAreAnswered() throws {
        let f = try Fixture.forXfer()
        let calls = try calls(f)
        for round in 0..<3000 {
            let (procedure, arguments) = calls[round % calls.count]
            var changed = arguments
            for _ in 0..<Int.random(in: 1...3) { changed[Int.random(in: changed.indices)] = .random(in: 0...255) }
            if case .systemError = f.answer(procedure, changed) { Issue.record("\(procedure): \(changed)") }
            guard procedure == .put,
                case .at(let offset, let count) = changed.withUnsafeBytes({
                    f.xfer.payload(procedure: 3, arguments: $0)
                })
            else { continue }
            #expect(offset <= changed.count && count <= NFS.payloadLimit)
            let start = changed.prefix(offset).withUnsafeBytes {
                f.xfer.begin(f.call(.put), arguments: $0, payload: count)
            }
            if case .write(_, let finish) = start { _ = finish(nil) }
        }
        _ = try f.attributes(f.root)
    }
}
