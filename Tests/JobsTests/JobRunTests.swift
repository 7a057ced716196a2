import Glibc
import Kernel
import Synchronization
import TestSupport
import Testing

@testable import Jobs
@testable import Transfer

/// Work that notes what it is asked for.
private final class Noted: JobWork {
    struct State {
        var done: [Int64] = []
        var places: [Int64: Bool] = [:]
        var asked = 0
        var atOnce = 0
        var mostAtOnce = 0
    }
    let state = Condition(State())
    private let body: @Sendable (Job, Int) async throws -> Report

    init(_ body: @escaping @Sendable (Job, _ times: Int) async throws -> Report = { _, _ in Report() }) {
        self.body = body
    }

    var done: [Int64] { state.withLock { $0.done } }

    func destinationIsName(_ job: Job) -> Bool? {
        guard job.options.applied(to: CopyRules()).recursive else { return nil }
        state.withLock { $0.asked += 1 }
        return true
    }

    func copy(_ job: Job, isName: Bool?) async throws -> Report {
        let times = state.withLock(wake: true) { state in
            state.done.append(job.line)
            if let isName { state.places[job.line] = isName }
            state.atOnce += 1
            state.mostAtOnce = max(state.mostAtOnce, state.atOnce)
            return state.done.count { $0 == job.line }
        }
        defer { state.withLock { $0.atOnce -= 1 } }
        return try await body(job, times)
    }
}

@Suite(.enabled(if: TestedLayers.lab == nil, "nothing in it depends on who makes the records; not in the kTLS lab"))
struct JobRunTests {
    private let directory = TemporaryDirectory()
    private var state: String { directory.path + "/state" }
    private var input: String { directory.path + "/input" }
    private var output: String { directory.path + "/output" }
    private static let parser = JobParser { text throws(UsageError) in try RemoteName.parse(text) }

    private func run(
        _ work: Noted, _ options: JobRunOptions = JobRunOptions(), input: String? = nil, retry: Bool = false,
        to descriptor: Int32? = nil
    ) async throws -> JobTotals {
        let file = SharedDescriptor(try Files.open(output, O_WRONLY | O_CREAT | O_APPEND))
        let store = try JobStore(state, create: true)
        let run = try JobRun(
            store, input: input, parser: Self.parser, options: options, work: work, retryFailed: retry,
            output: descriptor ?? file.raw
        ) { "\($0.line) \($0.status.rawValue) \($0.attempts)\($0.error.map { " " + $0 } ?? "")" }
        return try await run.run()
    }

    private func lines(_ count: Int) throws -> String {
        try write((1...count).map { "get host:/data/\($0) f\($0)\n" }.joined(), to: input)
        return input
    }

    /// As ``eventually(within:_:)``, without keeping a thread that the run's own tasks need.
    private func soon(_ condition: () -> Bool) async -> Bool {
        for _ in 0..<20_000 where !condition() { try? await Task.sleep(for: .milliseconds(1)) }
        return condition()
    }

    private var written: [String] { contents(of: output).split(separator: "\n").map(String.init) }

    @Test func eachJobOnce() async throws {
        let work = Noted()
        let totals = try await run(work, input: try lines(10_000))
        #expect(totals.total == 10_000 && totals.done == 10_000 && totals.left == 0)
        #expect(work.done.sorted() == Array(1...10_000))
        #expect(Set(written).count == 10_000 && written.count == 10_000)
        #expect(written.allSatisfy { $0.hasSuffix(" done 1") })
        #expect(try status(of: state).st_mode & 0o777 == 0o600)
        #expect(try status(of: state + "-lock").st_mode & 0o777 == 0o600)
        // Nothing is left for another run.
        let again = Noted()
        #expect(try await run(again, input: input).done == 10_000)
        #expect(again.done.isEmpty && written.count == 10_000)
    }

    @Test func soManyAtOnce() async throws {
        let work = Noted { _, _ in
            try await Task.sleep(for: .milliseconds(1))
            return Report()
        }
        var options = JobRunOptions()
        options.jobs = 3
        _ = try await run(work, options, input: try lines(100))
        #expect(work.state.withLock { $0.mostAtOnce } == 3)
    }

    @Test func whatFailsIsTriedAgainWhereItMayPass() async throws {
        let work = Noted { job, times in
            switch job.line {
            case 1 where times < 3: throw TransferError(.connection, "lost")
            case 2: throw TransferError(.connection, "gone")
            case 3: throw TransferError(.server, "denied")
            default: return Report()
            }
        }
        var options = JobRunOptions()
        options.backoff = 0.001
        let totals = try await run(work, options, input: try lines(4))
        #expect(totals.done == 2 && totals.failed == 2)
        #expect(Set(written) == ["1 done 3", "2 failed 3 gone", "3 failed 1 denied", "4 done 1"])

        let second = Noted()
        let after = try await run(second, options, retry: true)
        #expect(after.done == 4 && after.failed == 0 && second.done.sorted() == [2, 3])
    }

    @Test func badLinesAreNamedAndTheRestGoesOn() async throws {
        try write("get host:/a b\nfrob\n\n# x\nget host:/c d", to: input)
        let work = Noted()
        let totals = try await run(work, input: input)
        #expect(totals.total == 3 && totals.done == 2 && totals.bad == 1)
        #expect(work.done.sorted() == [1, 5])
        #expect(written.contains("2 bad 0 'frob' is neither get nor put"))
    }

    @Test func strictBeginsNothing() async throws {
        try write("get host:/a b\nfrob\n", to: input)
        var options = JobRunOptions()
        options.strict = true
        let work = Noted()
        await #expect(throws: BadLines.self) { try await run(work, options, input: input) }
        #expect(work.done.isEmpty)
    }

    @Test func oneRunAtATime() throws {
        let lock = try StateLock(state)
        #expect(StateLock.isHeld(state))
        #expect(throws: JobsError.self) {
            _ = try JobRun(
                try JobStore(state, create: true), input: nil, parser: Self.parser, options: JobRunOptions(),
                work: Noted(), output: 1
            ) { _ in "" }
        }
        withExtendedLifetime(lock) {}
    }

    /// A run whose output goes nowhere ends with what it recorded; the lines it could not write are the next run's first.
    @Test func linesThatWereNotWrittenAreWrittenByTheNextRun() async throws {
        let pipe = try Pipe(capacity: 4096)
        let unread = try pipe.writeEnd.duplicate()
        _ = consume pipe
        SignalDescriptor.ignoreBrokenPipes()
        let work = Noted()
        await #expect(throws: JobsError.self) { try await run(work, input: try lines(20), to: unread.raw) }
        let recorded = try JobStore(state).status().totals.done
        #expect(recorded > 0 && written.isEmpty)
        let rest = Noted()
        #expect(try await run(rest, input: input).done == 20)
        #expect(Set(written) == Set((1...20).map { "\($0) done 1" }) && written.count == 20)
        #expect(rest.done.count == 20 - recorded)
    }

    /// Lines of which a note says that they are out are not written again.
    @Test func linesThatWereWrittenAreNotWrittenAgain() async throws {
        _ = try await run(Noted(), input: try lines(5))
        let batch = try JobStore(state).lastBatch()
        try #require(batch.outcomes.count > 0)
        // As a run has it that was killed in the middle of its lines.
        try StateLock(state).note(batch: batch.batch, lines: batch.outcomes.count - 1)
        let before = written.count
        _ = try await run(Noted(), input: input)
        #expect(
            written.count == before + 1 && written.last == "\(batch.outcomes[batch.outcomes.count - 1].line) done 1")
    }

    @Test func aCancelledRunKeepsWhatIsLeft() async throws {
        let work = Noted { job, _ in
            if job.line > 10 { try await Task.sleep(for: .seconds(1000)) }
            return Report()
        }
        let path = try lines(100)
        let task = Task { try await run(work, input: path) }
        #expect(await soon { written.count == 10 })
        task.cancel()
        await #expect(throws: CancellationError.self) { try await task.value }
        #expect(try JobStore(state).status().totals.left == 90)
        let rest = Noted()
        #expect(try await run(rest, input: path).done == 100)
        #expect(rest.done.sorted() == Array(11...100))
    }

    /// Where a recursive copy goes is decided once: done again it would find its own directory and go into it.
    @Test func theDestinationOfARecursiveCopyIsDecidedOnce() async throws {
        try write("get -r host:/tree copy\n", to: input)
        let path = input
        let work = Noted { _, _ in
            try await Task.sleep(for: .seconds(1000))
            return Report()
        }
        let task = Task { try await run(work, input: path) }
        #expect(await soon { !work.done.isEmpty })
        task.cancel()
        _ = try? await task.value
        let again = Noted()
        #expect(try await run(again, input: path).done == 1)
        #expect(work.state.withLock { $0.asked } == 1 && again.state.withLock { $0.asked } == 0)
        #expect(again.state.withLock { $0.places } == [1: true])
    }

    @Test func aFileThatGrewGoesOnAndOneThatWasChangedIsRefused() async throws {
        #expect(try await run(Noted(), input: try lines(3)).done == 3)
        // The end of the input is known; what is put behind it belongs to no run.
        try write(contents(of: input) + "get host:/data/4 f4\n", to: input)
        #expect(try await run(Noted(), input: input).done == 3)

        let store = try JobStore(state)
        try store.set([("input.complete", "0")])
        #expect(try await run(Noted(), input: input).done == 4)
        try store.set([("input.complete", "0")])
        try write("get host:/data/1 something-else\n" + contents(of: input).dropFirst(21), to: input)
        await #expect(throws: JobsError.self) { try await run(Noted(), input: input) }
    }

    @Test func aJobIsNotRecordedTwice() throws {
        let store = try JobStore(state, create: true)
        let job = Job(line: 1, operation: .get, source: "h:/a", destination: "b")
        var step = JobStore.Step()
        step.input = [.job(job)]
        step.claim = 10
        #expect(try store.run(step).claims.map(\.job) == [job])
        var end = JobStore.Step()
        end.outcomes = [JobOutcome(job, .done)]
        #expect(try store.run(end).totals.done == 1)
        #expect(throws: JobsError.self) { try store.run(end) }
        #expect(try store.status().totals.done == 1)
    }

    @Test func whatIsNoState() throws {
        try write("something else", to: state)
        #expect(throws: JobsError.self) { try JobStore(state) }
        #expect(throws: JobsError.self) { try JobStore(state, create: true) }
        #expect(throws: JobsError.self) { try JobStore(directory.path + "/none") }
        symlink(state, directory.path + "/link")
        #expect(throws: JobsError.self) { try JobStore(directory.path + "/link", create: true) }
    }

    @Test func whereAStateIs() {
        let name = StateFile.name(for: "/home/ada/nightly.jobs", "")
        #expect(name.hasPrefix("nightly.jobs-") && name.hasSuffix(".jobs"))
        #expect(name != StateFile.name(for: "/home/bob/nightly.jobs", ""))
        #expect(name != StateFile.name(for: "/home/ada/nightly.jobs", "weekly"))
        let settings = RunSettings(
            input: "-", directory: "/w", options: JobOptions(), recordLayer: "auto")
        #expect(settings.options.mount == [])
        var options = JobOptions()
        options.mount = ["cafile=ca.pem,key=/k,port=1", "tlscd=@abstract"]
        #expect(
            RunSettings(input: "-", directory: "/w", options: options, recordLayer: "auto").options.mount
                == ["cafile=/w/ca.pem,key=/k,port=1", "tlscd=@abstract"])
    }
}
