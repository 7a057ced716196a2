import Glibc
import Kernel
package import Transfer

/// What does a job.
package protocol JobWork: Sendable {
    /// Whether a recursive copy's destination is its own name; it is not where a directory is there to put it into. Nil where
    /// that need not be known to do the job again.
    func destinationIsName(_ job: Job) async throws -> Bool?
    /// - Parameter isName: what ``destinationIsName(_:)`` said when the job was first begun; nil for what is not recursive.
    func copy(_ job: Job, isName: Bool?) async throws -> Report
}

/// How a run goes.
package struct JobRunOptions: Sendable {
    /// Jobs at once.
    package var jobs = 32
    /// How often a job is tried whose connection fails.
    package var attempts = 3
    /// Bad lines keep it from starting.
    package var strict = false
    /// What is recorded as done is on the disk.
    package var synchronize = true
    /// Where relative local paths begin.
    package var directory = "."
    /// Seconds before the second attempt; each further one waits twice as long, a minute at most.
    package var backoff = 1.0

    package init() {}
}

/// Does the jobs of a state: one thread reads the input, one has the database, tasks do the copying.
///
/// A job's way: its line is committed; it is claimed, a few thousand ahead at most; done; its outcome is committed, with those
/// of others that ended meanwhile; and then its line goes to standard output. A run that is killed in between leaves a job that
/// is done again, which changes nothing, or an outcome whose line the next run writes.
package final class JobRun: Sendable {
    private let store: JobStore
    private let lock: StateLock
    private let input: JobInput?
    private let options: JobRunOptions
    private let work: any JobWork
    private let output: Int32
    private let format: @Sendable (JobOutcome) -> String
    private let queue = ClaimQueue<Attempt>()
    private let state: Condition<State>

    private struct Attempt: Sendable {
        let job: Job
        var isName: Bool?
        var number = 1
    }

    private struct State {
        var lines: [ParsedLine] = []
        var position: InputPosition?
        var inputHasEnded = false
        var outcomes: [JobOutcome] = []
        var places: [(line: Int64, isName: Bool, told: CheckedContinuation<Void, Never>)] = []
        var running: [Int64: Double] = [:]
        var runningHasChanged = false
        var totals = JobTotals()
        /// Claimed and without a recorded outcome.
        var claimed = 0
        var isStopping = false
        var workersHaveEnded = false
        var error: (any Error)?

        /// Jobs in the database that nobody has claimed.
        var unclaimed: Int { max(0, totals.left - claimed) }
    }

    /// Jobs claimed and not recorded, at most: enough that nobody waits for a transaction, few enough for memory.
    private static let claimedAtMost = 4096
    /// Outcomes that are committed without waiting for more, and seconds that fewer wait.
    private static let batch = 256
    private static let patience = 0.02
    /// Lines of the input that wait for their transaction, at most.
    private static let linesAtMost = 4000
    /// Seconds between two looks of `jobs status` at what is running.
    private static let runningInterval = 1.0

    /// - Parameters:
    ///   - input: what to read jobs from, a path or `-`; nil: only those in the state are done.
    ///   - retryFailed: has what failed done again; not lines that are no jobs.
    ///   - output: a descriptor, for a line for each job that ends, made by `format`.
    /// - Throws: ``JobsError`` where another run has the state, or the input cannot be read.
    package init(
        _ store: JobStore, input: String?, parser: JobParser, options: JobRunOptions, work: any JobWork,
        retryFailed: Bool = false, output: Int32, format: @escaping @Sendable (JobOutcome) -> String
    ) throws {
        self.store = store
        self.options = options
        self.work = work
        self.output = output
        self.format = format
        lock = try StateLock(store.path)
        if retryFailed { try store.retry() }
        let position = try InputPosition(store)
        self.input =
            position.isComplete && input != "-" ? nil : try input.map { try JobInput($0, at: position, parser) }
        var state = State()
        state.inputHasEnded = self.input == nil
        self.state = Condition(state)
    }

    /// How far it is.
    package var totals: JobTotals { state.withLock { $0.totals } }

    /// Does all there is; returns when the input has ended and every job has an outcome.
    ///
    /// - Throws: ``JobsError`` where the state or the output cannot be written, the input not be read; ``BadLines``; ``CancellationError``, then with the state as it is to go on with.
    package func run() async throws -> JobTotals {
        let thread = try Thread("jobs-store", stack: 2 << 20) { [self] in keep() }
        await withTaskCancellationHandler {
            await withTaskGroup(of: Void.self) { group in
                for _ in 0..<max(1, options.jobs) { group.addTask { await self.takeJobs() } }
            }
        } onCancel: {
            stop()
        }
        state.withLock(wake: true) { $0.workersHaveEnded = true }
        await withCheckedContinuation { continuation in
            do throws(SystemError) {
                try Thread.detached("jobs-end") {
                    thread.join()
                    continuation.resume()
                }
            } catch {
                // Out of threads: then this one waits.
                thread.join()
                continuation.resume()
            }
        }
        input?.stop()
        let (totals, error) = state.withLock { ($0.totals, $0.error) }
        if let error { throw error }
        try Task.checkCancellation()
        return totals
    }

    /// Removes the state of a run that has ended.
    package func forget() { try? StateFile.removeLocked(store.path) }

    /// Nothing further is begun.
    private func stop(_ error: (any Error)? = nil) {
        let places = state.withLock(wake: true) { state in
            state.isStopping = true
            if state.error == nil { state.error = error }
            defer { if error != nil { state.places = [] } }
            return error != nil ? state.places : []
        }
        for place in places { place.told.resume() }
        input?.stop()
        queue.close()
    }

    // MARK: The store's thread

    private func keep() {
        do {
            let lines = OutputLines(output, lock)
            try writeWhatIsMissing(lines)
            let start = try store.run(JobStore.Step(now: Clock.now))
            state.withLock { $0.totals = start.totals }
            try input?.start { [self] in take($0) }
            var last: Int64 = 0
            var runningAt = 0.0
            while let step = nextStep(&runningAt, behind: last) {
                if options.synchronize {
                    let fetched = step.step.outcomes.filter { $0.operation == .get && $0.status == .done }
                    try FetchedFiles.synchronize(fetched.map { Job.local($0.destination, in: options.directory) })
                }
                let result = try store.run(step.step)
                try lines.write(result.outcomes.map(format), batch: result.batch)
                if let line = result.claims.last?.job.line { last = line }
                let isShort = state.withLock { state in
                    state.totals = result.totals
                    state.claimed += result.claims.count - step.step.outcomes.count
                    return step.step.claim > 0 && result.claims.isEmpty && state.unclaimed > 0
                }
                if isShort { throw JobsError("\(store.path): its totals are not those of its jobs; is it damaged?") }
                if options.strict, result.totals.bad > 0, state.withLock({ $0.inputHasEnded }) {
                    throw BadLines(count: result.totals.bad)
                }
                for told in step.told { told.resume() }
                queue.push(result.claims.map { Attempt(job: $0.job, isName: $0.isName) })
            }
            queue.close()
        } catch {
            stop(error)
        }
    }

    /// The lines of the last transaction of a run that was killed before it wrote them.
    private func writeWhatIsMissing(_ lines: OutputLines) throws {
        let last = try store.lastBatch()
        let noted = lock.noted
        try lines.write(
            last.outcomes.map(format), batch: last.batch, skipping: noted?.batch == last.batch ? noted?.lines ?? 0 : 0)
    }

    /// Waits until there is something to commit or to claim.
    ///
    /// - Returns: nil where all is done.
    private func nextStep(
        _ runningAt: inout Double, behind line: Int64
    ) -> (step: JobStore.Step, told: [CheckedContinuation<Void, Never>])? {
        let queue = queue
        let options = options
        /// What a transaction is wanted for at all, and at once.
        func isWanted(_ state: State) -> Bool {
            !state.outcomes.isEmpty || !state.lines.isEmpty || state.position != nil || isUrgent(state)
        }
        func canClaim(_ state: State) -> Bool {
            !state.isStopping && (!options.strict || state.inputHasEnded) && state.claimed < Self.claimedAtMost
        }
        func isUrgent(_ state: State) -> Bool {
            state.isStopping || !state.places.isEmpty || state.outcomes.count >= Self.batch
                || state.lines.count >= Self.linesAtMost / 2
                || (state.unclaimed > 0 && canClaim(state) && queue.count < options.jobs)
                || (state.inputHasEnded && state.claimed == state.outcomes.count && state.lines.isEmpty)
        }
        while true {
            let hasChanged = state.withLock(\.runningHasChanged)
            let left = max(0, runningAt + Self.runningInterval - Clock.now)
            let isWanted = state.wait(until: hasChanged ? .after(seconds: left) : .never) { state -> Bool? in
                isWanted(state) ? true : !hasChanged && state.runningHasChanged ? false : nil
            }
            if isWanted != false { break }
        }
        _ = state.wait(until: .after(seconds: Self.patience)) { isUrgent($0) ? true : nil }
        // Outcomes of what runs still come while it stops.
        let isStopping =
            state.wait { state -> Bool? in
                guard state.isStopping else { return false }
                if state.workersHaveEnded { return true }
                // Its job waits for this.
                return state.places.isEmpty ? nil : false
            } ?? true

        let now = Clock.now
        return state.withLock(wake: true) { state in
            let isOver =
                isStopping
                || (state.inputHasEnded && state.totals.left == 0 && state.claimed == 0 && state.lines.isEmpty)
            let hasNothing =
                state.outcomes.isEmpty && state.lines.isEmpty && state.position == nil && state.places.isEmpty
            if isOver && hasNothing && state.running.isEmpty && !state.runningHasChanged { return nil }
            var step = JobStore.Step(now: now)
            step.input = state.lines
            step.position = state.position
            step.outcomes = state.outcomes
            step.places = state.places.map { ($0.line, $0.isName) }
            if isStopping { state.running = [:] }
            if (state.runningHasChanged && now - runningAt >= Self.runningInterval) || isOver || isStopping {
                step.running = state.running.map { ($0.key, $0.value) }
                state.runningHasChanged = false
                runningAt = now
            }
            if canClaim(state) { step.claim = Self.claimedAtMost - state.claimed + state.outcomes.count }
            step.behind = line
            let told = state.places.map(\.told)
            state.lines = []
            state.position = nil
            state.outcomes = []
            state.places = []
            return (step, told)
        }
    }

    // MARK: The input's thread

    private func take(_ result: Result<([ParsedLine], InputPosition), any Error>) -> Bool {
        switch result {
        case .failure(let error):
            stop(error)
            return false
        case .success(let (lines, position)):
            return state.wait { state -> Bool? in
                if state.isStopping { return false }
                guard state.lines.count < Self.linesAtMost else { return nil }
                return true
            } == true
                && state.withLock(wake: true) { state in
                    state.lines += lines
                    state.position = position
                    state.inputHasEnded = position.isComplete
                    return true
                }
        }
    }

    // MARK: The engine's tasks

    private func takeJobs() async {
        while let attempt = await queue.next() {
            let line = attempt.job.line
            change { state in
                state.running[line] = Clock.now
                defer { state.runningHasChanged = true }
                return !state.runningHasChanged || queue.count < options.jobs
            }
            let outcome = await perform(attempt)
            change { state in
                state.running[line] = nil
                state.runningHasChanged = true
                guard let outcome else { return true }
                state.outcomes.append(outcome)
                return state.outcomes.count == 1 || state.outcomes.count == Self.batch
                    || state.outcomes.count == state.claimed
            }
        }
    }

    /// The store's thread is woken where `body` says that it would care: once for many jobs.
    private func change(_ body: (inout State) -> Bool) {
        if state.withLock(body) { state.withLock(wake: true) { _ in } }
    }

    /// - Returns: nil where it is to be done again, now or by a later run.
    private func perform(_ attempt: Attempt) async -> JobOutcome? {
        var attempt = attempt
        let start = Clock.now
        var outcome = JobOutcome(attempt.job, .failed)
        outcome.attempts = attempt.number
        var errors: [any Error]
        do {
            if attempt.isName == nil, let isName = try await work.destinationIsName(attempt.job) {
                attempt.isName = isName
                await keepPlace(attempt.job.line, isName)
            }
            try Task.checkCancellation()
            let report = try await work.copy(attempt.job, isName: attempt.isName)
            outcome.bytes = report.bytes
            outcome.files = report.files + report.links
            errors = report.failures
        } catch {
            errors = [error]
        }
        // What a cancelled copy says of itself is no outcome.
        if !errors.isEmpty, Task.isCancelled { return nil }
        outcome.seconds = max(0, Clock.now - start)
        guard let first = errors.first else {
            outcome.status = .done
            return outcome
        }
        if attempt.number < options.attempts, errors.contains(where: Self.mayPass) {
            let delay = min(60, options.backoff * Double(1 << min(attempt.number - 1, 10)))
            attempt.number += 1
            let (queue, next) = (queue, attempt)
            // Without a slot: others go on meanwhile. There are no more of these than claimed jobs.
            Task {
                try? await Task.sleep(for: .seconds(delay))
                queue.push([next])
            }
            return nil
        }
        outcome.error = errors.count == 1 ? "\(first)" : "\(first); and \(errors.count - 1) more"
        return outcome
    }

    private static func mayPass(_ error: any Error) -> Bool { (error as? TransferError)?.kind == .connection }

    /// Returns when it is on the disk; or at once where nothing is kept any more, since the run ends with an error.
    private func keepPlace(_ line: Int64, _ isName: Bool) async {
        await withCheckedContinuation { continuation in
            let isKept = state.withLock(wake: true) { state in
                guard state.error == nil else { return false }
                state.places.append((line, isName, continuation))
                return true
            }
            if !isKept { continuation.resume() }
        }
    }
}

/// ``JobRunOptions/strict``, and lines that are no jobs.
package struct BadLines: Error, CustomStringConvertible {
    package let count: Int
    package var description: String { "--strict: nothing is begun, as \(count) of the lines are no jobs" }
}

/// Seconds since 1970.
package enum Clock {
    package static var now: Double {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }
}
