import Glibc
import Kernel
import NFS
import RPC
import Synchronization
import TestSupport
import Testing

@testable import Transfer

/// The client's half of READFILES and PUTFILES: whatever a server does, each file is whole or not there, and what was not
/// copied with others is copied by itself or reported.
@Suite struct ManyFilesTests {
    private typealias Ways = ForeignManyFiles.Ways
    private static let names = (0..<10).map { "f\($0)" }

    private func content(_ index: Int) -> [UInt8] { pattern([0, 1, 3, 4, 4096, 65536, 65537, 5, 6, 7][index]) }
    /// Those that are small enough.
    private static let small = names.filter { $0 != "f6" }

    private static var recursive: CopyRules {
        var rules = CopyRules()
        rules.recursive = true
        return rules
    }

    // MARK: Fetching

    private struct Fetched {
        let place: TemporaryDirectory
        let report: Report
        let calls: [[String]]
        /// Names of the files that came by READ.
        let alone: Set<String>

        var names: Set<String> { TemporaryDirectory.names(in: place.path) }
    }

    /// Fetches ten files.
    ///
    /// - Parameter there: makes what is in the target already.
    private func fetch(
        _ ways: Ways, behaviour: Behaviour = Behaviour(), _ rules: CopyRules = recursive,
        there: (TemporaryDirectory) throws -> Void = { _ in }
    ) async throws -> Fetched {
        let place = TemporaryDirectory()
        try there(place)
        let (server, program) = try ForeignManyFiles.server(ways, behaviour: behaviour)
        for (index, name) in Self.names.enumerated() { server.state.add(name, content(index)) }
        let report = try await withMount(server) { remote, _ in
            try await Copy(remote: remote, rules: rules, progress: Progress())
                .get("/data", to: place.path, .synchronized, contents: true)
        }
        let alone = server.state.content.withLock { content in
            Set(content.reads.compactMap { content.files[ForeignState.number($0.file)]?.name })
        }
        return Fetched(place: place, report: report, calls: program.calls(.readFiles), alone: alone)
    }

    private func expectAll(
        _ fetched: Fetched, but missing: Set<String> = [], location: SourceLocation = #_sourceLocation
    ) {
        #expect(fetched.names == Set(Self.names).subtracting(missing), sourceLocation: location)
        for (index, name) in Self.names.enumerated() where !missing.contains(name) {
            #expect(bytes(of: "\(fetched.place.path)/\(name)") == content(index), "\(name)", sourceLocation: location)
        }
        #expect(fetched.report.files == Self.names.count - missing.count, sourceLocation: location)
        #expect(fetched.report.failures.count == missing.count, sourceLocation: location)
    }

    @Test func filesComeTogether() async throws {
        let fetched = try await fetch(Ways())
        expectAll(fetched)
        #expect(fetched.calls == [Self.small] && fetched.alone == ["f6"])
        #expect(mode(of: fetched.place.path + "/f4") == 0o644 & ~CopyRules.processMask)
    }

    /// One after another is how `--jobs 1` wants them, and no more at once than it says.
    @Test func asManyAtOnceAsThereMayBe() async throws {
        var rules = Self.recursive
        rules.jobs = 1
        let one = try await fetch(Ways(), rules)
        expectAll(one)
        #expect(one.calls == [])
        rules.jobs = 2
        let two = try await fetch(Ways(), rules)
        expectAll(two)
        #expect(two.calls.allSatisfy { $0.count <= 2 } && Set(two.calls.joined()) == Set(Self.small))
    }

    @Test func aServerWithoutIt() async throws {
        var ways = Ways()
        ways.hasManyFiles = false
        let fetched = try await fetch(ways)
        expectAll(fetched)
        #expect(fetched.calls == [] && fetched.alone.count == 9)
    }

    /// Fewer files than were asked for, none, and one that it does not give: those come by themselves.
    @Test(arguments: [0, 1, 5]) func fewerThanWereAskedFor(count: Int) async throws {
        var ways = Ways()
        ways.read = { Array($0.prefix(count)) }
        let fetched = try await fetch(ways)
        expectAll(fetched)
        // An empty one needs no READ.
        #expect(fetched.alone == Set(Self.names.dropFirst(max(1, count))))
    }

    @Test(arguments: [NFSStatus.io, .accessDenied, .fileTooBig, .jukebox]) func oneThatItDoesNotGive(
        status: NFSStatus
    ) async throws {
        var ways = Ways()
        // Data that comes with a failure is none.
        ways.read = {
            $0.enumerated().map { $0 == 4 ? .init(status: status, data: $1.data, attributes: $1.attributes) : $1 }
        }
        let fetched = try await fetch(ways)
        expectAll(fetched)
        #expect(fetched.alone == ["f4", "f6"])
    }

    /// By itself it cannot be read either: it is named, and the others are there.
    @Test func oneThatCannotBeRead() async throws {
        var ways = Ways()
        ways.read = { $0.enumerated().map { $0 == 4 ? .init(status: .io, data: []) : $1 } }
        var behaviour = Behaviour()
        behaviour.status = { procedure, _ in procedure == .read ? .io : nil }
        let fetched = try await fetch(ways, behaviour: behaviour)
        expectAll(fetched, but: ["f4", "f6"])
        let reasons = fetched.report.failures.map { "\($0)" }
        #expect(reasons.contains { $0.contains("/data/f4") && $0.contains("NFS3ERR_IO") }, "\(reasons)")
    }

    /// Otherwise than it was listed, or not what its attributes say: it is looked at by itself.
    @Test(arguments: 0..<6) func notWhatWasListed(kind: Int) async throws {
        var ways = Ways()
        ways.read = { files in
            files.enumerated().map { index, file in
                guard index == 4 else { return file }
                var file = file
                switch kind {
                case 0: file.attributes?.modificationTime.seconds += 1
                case 1: file.attributes?.modificationTime.nanoseconds += 1
                case 2: file.attributes?.size += 1
                case 3: file.data.removeLast()
                case 4: file.data.append(7)
                default: file.attributes = nil
                }
                return file
            }
        }
        let fetched = try await fetch(ways)
        expectAll(fetched)
        #expect(fetched.alone == ["f4", "f6"])
    }

    /// It has really changed: nothing of it is there.
    @Test func oneThatChangedSinceItWasListed() async throws {
        var ways = Ways()
        ways.hasWholeReads = true
        ways.read = { files in
            files.enumerated().map { index, file in
                var file = file
                if index == 4 { file.attributes?.modificationTime.seconds += 1 }
                return file
            }
        }
        var behaviour = Behaviour()
        behaviour.readAttributes = {
            var attributes = $0
            if attributes.size == 4096 { attributes.modificationTime.seconds += 1 }
            return attributes
        }
        let fetched = try await fetch(ways, behaviour: behaviour)
        expectAll(fetched, but: ["f4"])
        let error = fetched.report.failures.first as? TransferError
        #expect(error?.kind == .sourceChanged && "\(fetched.report.failures)".contains("/data/f4"))
    }

    /// Replies that are none, and calls that fail as a whole: then all files come by themselves.
    @Test(arguments: 0..<6) func repliesThatAreNone(kind: Int) async throws {
        var ways = Ways()
        if kind == 0 { ways.read = { $0 + $0.prefix(1) } }
        ways.results = { results in
            switch kind {
            case 0: .results(results)
            case 1: .results(results + [0, 0, 0, 0])
            case 2: .results(results.dropLast(4))
            case 3: .results([0, 0, 0, 70])
            case 4: .procedureUnavailable
            default: .systemError
            }
        }
        let fetched = try await fetch(ways)
        expectAll(fetched)
        #expect(fetched.alone == Set(Self.names.dropFirst()))
    }

    /// A file and a symbolic link are replaced, and their files come with the others all the same; what is neither stays.
    @Test func whatIsThereAlready() async throws {
        let fetched = try await fetch(Ways()) { place in
            try write("old and longer", to: place.path + "/f1")
            try write("untouched", to: place.path + "/target")
            symlink("target", place.path + "/f2")
            mkfifo(place.path + "/f3", 0o600)
            mkdir(place.path + "/f4", 0o700)
        }
        #expect(
            bytes(of: fetched.place.path + "/f1") == content(1) && bytes(of: fetched.place.path + "/f2") == content(2))
        #expect(contents(of: fetched.place.path + "/target") == "untouched")
        #expect(fetched.alone == ["f6"])
        #expect(fetched.names == Set(Self.names + ["target"]))
        #expect(fetched.report.files == 8 && fetched.report.failures.count == 2)
        var status = stat()
        #expect(lstat(fetched.place.path + "/f3", &status) == 0 && status.st_mode & S_IFMT == S_IFIFO)
    }

    /// What an earlier run has left at a temporary name is no part of a file.
    @Test func whatAnEarlierRunHasLeft() async throws {
        let fetched = try await fetch(Ways()) { place in
            let temporary = TemporaryName.make(for: "f1", tag: .own)
            try write("much longer than the file is", to: place.path + "/" + temporary.description)
            try write("old", to: place.path + "/f1")
        }
        expectAll(fetched)
        #expect(fetched.alone == ["f6"])
    }

    // MARK: Pushing

    private struct Pushed {
        let server: ForeignServer
        let program: ForeignManyFiles
        let report: Report
        var together: [[String]] { program.calls(.putFiles).map { $0.sorted() } }
        var alone: Set<String> { Set(program.calls(.put).joined()) }
    }

    private func push(
        _ ways: Ways, _ rules: CopyRules = recursive, prepare: (String) throws -> Void = { _ in }
    ) async throws -> Pushed {
        let place = TemporaryDirectory(in: "/dev/shm")
        for (index, name) in Self.names.enumerated() { try write(content(index), to: "\(place.path)/\(name)") }
        try prepare(place.path)
        let (server, program) = try ForeignManyFiles.server(ways)
        let report = try await withMount(server) { remote, _ in
            try await Copy(remote: remote, rules: rules, progress: Progress())
                .put(place.path, to: "/data", .synchronized, contents: true)
        }
        return Pushed(server: server, program: program, report: report)
    }

    private func expectAll(_ pushed: Pushed, but missing: Set<String> = [], location: SourceLocation = #_sourceLocation)
        throws
    {
        #expect(pushed.server.state.names == Set(Self.names).subtracting(missing), sourceLocation: location)
        for (index, name) in Self.names.enumerated() where !missing.contains(name) {
            let found = try pushed.server.state.bytes(name)
            #expect(found == content(index), "\(name)", sourceLocation: location)
        }
        #expect(pushed.report.files == Self.names.count - missing.count, sourceLocation: location)
        #expect(pushed.report.failures.count == missing.count, sourceLocation: location)
    }

    @Test func filesGoTogether() async throws {
        let pushed = try await push(Ways())
        try expectAll(pushed)
        #expect(pushed.together == [Self.small] && pushed.alone == ["f6"])
    }

    @Test func asManyGoAtOnceAsMay() async throws {
        var rules = Self.recursive
        rules.jobs = 1
        let one = try await push(Ways(), rules)
        try expectAll(one)
        #expect(one.together == [] && one.alone == Set(Self.names))
        rules.jobs = 3
        let three = try await push(Ways(), rules)
        try expectAll(three)
        #expect(three.together.allSatisfy { $0.count <= 3 } && Set(three.together.joined()) == Set(Self.small))
    }

    @Test func aServerThatTakesThemOneByOne() async throws {
        var ways = Ways()
        ways.hasManyFiles = false
        let pushed = try await push(ways)
        try expectAll(pushed)
        #expect(pushed.together == [] && pushed.alone == Set(Self.names))
    }

    /// What is refused with others goes by itself.
    @Test(arguments: [NFSStatus.io, .noSpace, .jukebox, .notPermitted]) func oneThatItDoesNotTake(
        status: NFSStatus
    ) async throws {
        var ways = Ways()
        ways.put = { $0 == "f4" ? status : .ok }
        let pushed = try await push(ways)
        try expectAll(pushed)
        #expect(pushed.together == [Self.small] && pushed.alone == ["f4", "f6"])
    }

    @Test func oneThatItNeverTakes() async throws {
        var ways = Ways()
        ways.put = { $0 == "f4" ? .noSpace : .ok }
        ways.putAlone = { $0 == "f4" ? .noSpace : .ok }
        let pushed = try await push(ways)
        try expectAll(pushed, but: ["f4"])
        let reasons = "\(pushed.report.failures)"
        #expect(reasons.contains("/data/f4") && reasons.contains("NFS3ERR_NOSPC"), "\(reasons)")
    }

    @Test(arguments: 0..<6) func repliesToAPushThatAreNone(kind: Int) async throws {
        var ways = Ways()
        ways.results = { results in
            switch kind {
            case 0: .results([0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0])
            case 1: .results(results + [0, 0, 0, 0])
            case 2: .results(results.dropLast(4))
            case 3: .results([0, 0, 0, 70])
            case 4: .procedureUnavailable
            default: .systemError
            }
        }
        let pushed = try await push(ways)
        try expectAll(pushed)
        #expect(pushed.alone == Set(Self.names))
    }

    /// What a copy cannot have is counted once, however often it was tried.
    @Test func lossesCountOnce() async throws {
        var (rules, ways) = (Self.recursive, Ways())
        rules.preserve = true
        for refused in [false, true] {
            ways.put = { $0 == "f4" && refused ? .io : .ok }
            let pushed = try await push(ways, rules) { path in
                let old = [timespec(tv_sec: -5, tv_nsec: 0), timespec(tv_sec: -5, tv_nsec: 0)]
                #expect(utimensat(AT_FDCWD, path + "/f4", old, 0) == 0)
            }
            #expect(pushed.alone.contains("f4") == refused)
            let notes = pushed.report.notes
            #expect(
                notes.count == 1 && notes.first?.contains("/f4 was not kept: NFS version 3 has none") == true,
                "\(notes)")
        }
    }
}
