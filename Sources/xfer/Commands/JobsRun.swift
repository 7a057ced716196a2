import ArgumentParser
import Glibc
import Handshake
import Jobs
import Kernel
import SecureChannel
import Synchronization
import Transfer

struct JobsRun: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run", abstract: "Do the copies of a file or a pipe.",
        discussion: """
            Each line is a copy, its words as a shell has them, with # for comments, or a JSON object:

              get server:/data/report.pdf reports/
              put -rp 'my results' server:/data/2026
              {"op":"get","src":"work:a","dst":"a","id":"a1","options":{"preserve":true}}

            For each copy that ends, a line of JSON goes to standard output, after its outcome is kept. Relative local paths are \
            of the directory of the first run, whose options count for those that go on, too.

              xfer jobs run nightly.jobs >nightly.log
              producer | xfer jobs run --state /var/tmp/stream.jobs -
              xfer jobs run --resume nightly.jobs >>nightly.log

            Exit status: 0 all done, 1 none done, 2 the command line makes no sense, 3 some failed, 130 interrupted.
            """)

    @OptionGroup var run: JobsRunOptions

    @Flag(name: .long, help: "Go on with what is left of an earlier run.")
    var resume = false

    @Flag(name: .long, help: "Begin nothing where a line is no copy.")
    var strict = false

    @Argument(
        help: "The copies: a file, or - for standard input. With --resume a state too, or nothing for the last one.")
    var file: String?

    func run() async throws {
        if !resume {
            guard let file else { throw UsageError("what to run: a file, or - for standard input") }
            return try await start(file)
        }
        let path: String
        if let file, file != "-" {
            path = run.state.path(file)
        } else if let state = run.state.state {
            path = state
        } else if file == "-" {
            throw UsageError("--resume with - wants --state: which one goes on")
        } else {
            guard let found = JobsList.states().first(where: JobsList.isUnfinished) else {
                throw JobsError("nothing to go on with in \(StateDirectory.jobs)")
            }
            path = found
        }
        try await run.go(on: path, moreInput: file == "-" ? "-" : nil, retryFailed: false, strict: strict)
    }

    private func start(_ file: String) async throws {
        if file != "-", StateFile.isState(file) { throw UsageError("'\(file)' is a state: --resume goes on with it") }
        let input = file == "-" ? "-" : StateFile.absolute(file)
        let path: String
        if file == "-", run.state.state == nil {
            StateDirectory.make(StateDirectory.jobs)
            path = "\(StateDirectory.jobs)/stdin-\(Int(Clock.now))-\(getpid())\(StateFile.suffix)"
        } else {
            if run.state.state == nil { StateDirectory.make(StateDirectory.jobs) }
            path = run.state.state ?? run.state.path(file)
        }
        // What cannot be read needs no state.
        if file != "-", access(input, R_OK) != 0 {
            throw JobsError("the jobs cannot be read: \(file): \(String(cString: strerror(errno)))")
        }
        if StateFile.isState(path) {
            let (totals, isComplete) = try JobsList.look(path)
            guard totals.left == 0, isComplete else {
                throw JobsError(
                    """
                    an earlier run has jobs left (\(JobsSummary.text(totals))): go on with \
                    'xfer jobs run --resume \(path)', or forget them with 'xfer jobs forget \(path)'
                    """)
            }
            try StateFile.remove(path)
        }
        let settings = RunSettings(
            input: input, directory: StateFile.workingDirectory, options: try run.options(),
            recordLayer: run.connection.recordLayer)
        let store = try JobStore(path, create: true)
        try settings.store(in: store)
        try await run.go(store, settings, input: input, retryFailed: false, strict: strict)
    }
}

struct JobsRetry: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "retry", abstract: "Do the copies that failed again, and what is left.",
        discussion: "  xfer jobs retry nightly.jobs\n  xfer jobs retry --attempts 10 -o hard nightly.jobs")

    @OptionGroup var run: JobsRunOptions

    @Argument(help: "The file of the copies, or the state; the last one where left out.")
    var file: String?

    func run() async throws {
        try await run.go(on: try run.state.path(orLast: file), moreInput: nil, retryFailed: true, strict: false)
    }
}

/// What runs have in common.
struct JobsRunOptions: ParsableArguments {
    @OptionGroup(title: "Connection") var connection: ConnectionOptions
    @OptionGroup(title: "State") var state: JobsState

    @Flag(name: .shortAndLong, help: "Copy directories with all that is in them.")
    var recursive = false

    @Flag(name: .shortAndLong, help: "Keep mode and times.")
    var preserve = false

    @Flag(name: .shortAndLong, help: "All as it is: -r -p and hard links, and for root owners.")
    var archive = false

    @Option(
        name: .long,
        help: ArgumentHelp(
            "Bytes a second, over all connections and both ways: 50M, 1.5Gi; 0 or none for no limit.",
            valueName: "rate"),
        transform: RateArgument.init)
    var limit = RateArgument.none

    @Flag(name: .long, help: "Have each fetched file on the disk before it gets its name.")
    var fsync = false

    @Flag(
        name: .long,
        help: "Record fetched files as done before they are on the disk: a power failure may lose some of them.")
    var noSync = false

    @Option(name: .long, help: ArgumentHelp("Copies at once.", valueName: "number"))
    var jobs = 32

    @Option(name: .long, help: ArgumentHelp("Tries of a copy whose connection fails.", valueName: "number"))
    var attempts = 3

    func validate() throws {
        guard (1...1024).contains(jobs) else { throw ValidationError("--jobs: 1 to 1024") }
        guard (1...1000).contains(attempts) else { throw ValidationError("--attempts: 1 to 1000") }
    }

    /// Of each job.
    func options() throws -> JobOptions {
        var options = JobOptions()
        if recursive { try options.set("recursive", .flag(true)) }
        if archive { try options.set("archive", .flag(true)) }
        if preserve { try options.set("preserve", .flag(true)) }
        if fsync { try options.set("fsync", .flag(true)) }
        options.mount = connection.o
        var check = MountOptions()
        for item in connection.o { try check.apply(item) }
        return options
    }

    /// Goes on with a state.
    func go(on path: String, moreInput: String?, retryFailed: Bool, strict: Bool) async throws {
        let store = try JobStore(path)
        guard var settings = try RunSettings(store) else {
            throw JobsError("\(path): its run ended before it began; 'xfer jobs forget \(path)' removes it")
        }
        let here = RunSettings(
            input: "-", directory: StateFile.workingDirectory, options: try options(), recordLayer: "auto")
        // What is said now counts over what was said then.
        for (name, value) in here.options.values { try settings.options.set(name, value) }
        settings.options.mount += here.options.mount
        if connection.recordLayer != "auto" { settings.recordLayer = connection.recordLayer }
        let input = moreInput ?? (settings.input == "-" ? nil : settings.input)
        try await go(store, settings, input: input, retryFailed: retryFailed, strict: strict)
    }

    func go(
        _ store: JobStore, _ settings: RunSettings, input: String?, retryFailed: Bool, strict: Bool
    ) async throws {
        var connection = connection
        connection.recordLayer = settings.recordLayer
        connection.o = settings.options.mount
        let quiet = connection.quiet
        let pool = JobsPool(connection, limit.bytes.map { TokenBucket(rate: $0) })
        defer { pool.close() }
        var each = CopyRules()
        // Many jobs are under way already.
        each.jobs = 8
        var options = JobRunOptions()
        options.jobs = jobs
        options.attempts = attempts
        options.strict = strict
        options.synchronize = !noSync
        options.directory = settings.directory
        let remote: @Sendable (String) throws(UsageError) -> RemoteName? = { text throws(UsageError) in
            try Place.remote(text)
        }
        let work = CopyWork(
            pool: pool.remotes, options: settings.options.applied(to: each), directory: settings.directory,
            progress: Progress(), remote: remote)
        let name = input.map { $0 == "-" ? "standard input" : $0 } ?? store.path
        let told = Atomic<Int>(0)
        let run = try JobRun(
            store, input: input, parser: JobParser(remote: remote), options: options, work: work,
            retryFailed: retryFailed, output: STDOUT_FILENO
        ) { outcome in
            if outcome.status == .bad, !quiet, told.wrappingAdd(1, ordering: .relaxed).oldValue < Self.badLinesTold {
                Messages.write("xfer: \(name), line \(outcome.line): \(outcome.error ?? "no job")")
            }
            return JobLine.text(outcome)
        }
        let before = try store.status().totals
        var begun = settings
        begun.began = Clock.now
        begun.endedBefore = before.done + before.failed + before.bad
        try begun.store(in: store)
        if !quiet, input == "-" { Messages.write("xfer: the state is \(store.path)") }

        let executor = try EngineExecutor(threads: 4)
        let display = quiet ? nil : JobsDisplay(run)
        let start = Seconds.now
        let totals: JobTotals
        do {
            totals = try await Interrupts.run(onSignal: { pool.remotes.interrupt() }) {
                try await withTaskExecutorPreference(executor) { try await run.run() }
            }
            display?.stop()
        } catch {
            display?.stop()
            if let error = error as? BadLines {
                if before.total == 0 { run.forget() }
                throw UsageError("\(error)")
            }
            Messages.write("xfer: \(JobsSummary.text(run.totals)); go on with: xfer jobs run --resume \(store.path)")
            throw error
        }
        if !quiet {
            let seconds = max(Seconds.now - start, 1e-6)
            let count = totals.done + totals.failed + totals.bad - begun.endedBefore
            let bytes = Double(totals.bytes &- min(before.bytes, totals.bytes))
            Messages.write(
                "\(JobsSummary.text(totals)); this run: \(count), \(Units.bytes(bytes)) in \(Units.seconds(seconds)) (\(Units.decimal(Double(count) / seconds, 0)) jobs/s, \(Units.bytes(bytes / seconds))/s)"
            )
            if totals.failed + totals.bad > 0 {
                Messages.write("xfer: 'xfer jobs report --failed \(store.path)' says what failed")
            }
        }
        guard totals.failed + totals.bad == 0 else { throw totals.done > 0 ? ExitStatus.some : .nothing }
    }

    private static let badLinesTold = 20
}

/// The connections of a run, and the tlscd they are made by: one for all that name the same files.
private final class JobsPool: Sendable {
    let remotes: RemotePool
    private let daemons: Daemons

    private final class Daemons: Sendable {
        let own = Mutex<[String: Result<(path: String?, own: PrivateDaemon?), any Error>]>([:])
    }

    init(_ connection: ConnectionOptions, _ bandwidth: TokenBucket?) {
        let quiet = connection.quiet
        let verbose = connection.verbose
        let layer = RecordLayerChoice(rawValue: connection.recordLayer) ?? .auto
        let daemons = Daemons()
        self.daemons = daemons
        // Only what the closure needs: parsed options are no value for many threads.
        remotes = RemotePool(
            options: connection.o, outage: connection.timeout == 0 ? nil : connection.timeout, bandwidth: bandwidth
        ) { options in
            let key = [
                options.protection.rawValue, options.daemon, options.anchors, options.certificate, options.key,
            ].map { $0 ?? "" }.joined(separator: "\0")
            let path = try daemons.own.withLock { own -> String? in
                if let there = own[key] { return try there.get().path }
                if options.protection == .cleartext, !quiet {
                    Messages.write(
                        "xfer: warning: xprtsec=none: everybody on the way can read and change what is copied")
                }
                // What fails is not tried again for each of a million jobs.
                let made = Result { try ConnectionOptions.daemon(options) }
                own[key] = made
                return try made.get().path
            }
            return path.map { HandshakeDaemon(path: $0, role: .client, recordLayer: layer) }
        } notify: { note in
            if !quiet { Messages.write("xfer: \(note)") }
        } mounted: { session in
            if verbose, let protection = session.protection {
                Messages.write("\(session.host): protection: \(protection)")
            }
        }
    }

    func close() {
        remotes.close()
        for own in daemons.own.withLock({ Array($0.values) }) { try? own.get().own?.stop() }
    }
}

/// The line on a terminal that says how far a run is; into a pipe it writes nothing.
private final class JobsDisplay: Sendable {
    private let stopped = Condition(false)
    private let thread: Thread

    init?(_ run: JobRun) {
        guard isatty(STDERR_FILENO) == 1, TerminalSettings.environment.canMove else { return nil }
        let stopped = stopped
        let thread = try? Thread("display") {
            var jobs = RateMeter()
            var bytes = RateMeter()
            while true {
                let isLast = stopped.wait(until: .after(seconds: 0.2)) { $0 ? true : nil } ?? false
                let totals = run.totals
                jobs.add(bytes: totals.done + totals.failed, at: Seconds.now)
                bytes.add(bytes: Int(clamping: totals.bytes), at: Seconds.now)
                if isLast { return Screen.shared.clear() }
                let line =
                    "\(JobsSummary.text(totals)), \(Units.decimal(jobs.perSecond, 0)) jobs/s, \(Units.bytes(bytes.perSecond))/s"
                let columns = Terminal.size(STDERR_FILENO).columns
                let text = DisplayText.shortened(line, to: columns - 1)
                Screen.shared.draw([DisplayLine(text)], columns: columns, colored: false)
            }
        }
        guard let thread else { return nil }
        self.thread = thread
    }

    func stop() {
        stopped.withLock(wake: true) { $0 = true }
        thread.join()
    }
}
