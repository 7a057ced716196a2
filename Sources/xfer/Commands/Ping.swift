import ArgumentParser
import Glibc
import Handshake
import Kernel
import Transfer

struct Ping: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ping", abstract: "Try each step of a connection to a server.",
        usage: "xfer ping [<options>] <place>",
        discussion: """
            Says how long each step took, how the connection is protected, whose certificate it is and when it expires, and \
            how long calls take. Where a step fails it says which one, after how long, and why.

              xfer ping server:/data
              xfer ping -c 100 --json work:

            Exit status: 0 it answers, 1 a step failed, 2 the command line makes no sense.
            """)

    @OptionGroup(title: "Connection") var connection: ConnectionOptions

    @Option(
        name: .shortAndLong, help: ArgumentHelp("Round trips to measure, from 0 to 1000000.", valueName: "number"))
    var count = 4

    @Flag(name: .long, help: "One JSON object.")
    var json = false

    @Argument(help: "A place in an export: host:/export/path.", completion: PlaceCompletion.remote)
    var place: String

    func validate() throws {
        guard (0...1_000_000).contains(count) else { throw ValidationError("--count: 0 to 1000000") }
    }

    func run() async throws {
        guard let name = try Place.remote(place) else {
            throw UsageError("'\(place)' is a local path; what to try is written host:/export/path")
        }
        let count = count
        let isCleartext = try connection.options(for: name).protection == .cleartext
        let report = Condition(PingReport(name: name))
        do {
            var connection = connection
            // What a lost connection is to others is what is asked for here.
            connection.o.append("soft,retrans=0")
            let ping = Condition<Transfer.Ping?>(nil)
            do {
                try await connection.withSession(name, stepDone: { step in ping.withLock { $0 }?.done(step) }) {
                    session in
                    // A tlscd of its own has been started before.
                    let clock = Transfer.Ping()
                    ping.withLock { $0 = clock }
                    let remote = try await clock.reach(session, name.path)
                    report.withLock {
                        $0.protection = session.protection
                        $0.peer = session.peer
                    }
                    let limits = try await Transfer.Ping.limits(remote)
                    report.withLock { $0.limits = limits }
                    for _ in 0..<count {
                        try Task.checkCancellation()
                        let seconds = try await Transfer.Ping.roundTrip(remote)
                        report.withLock { $0.roundTrips.append(seconds) }
                    }
                }
            } catch {
                report.withLock { report in
                    let done = ping.withLock { $0 }
                    report.steps = done?.steps ?? []
                    let all = Transfer.Ping.steps(isCleartext: isCleartext)
                    report.failure = PingReport.Failure(
                        step: all.dropFirst(report.steps.count).first ?? "round trip", seconds: done?.sinceLast ?? 0,
                        reason: "\(error)")
                }
                throw error
            }
            report.withLock { $0.steps = ping.withLock { $0 }?.steps ?? [] }
        } catch let error where error is ExitStatus || error is UsageError {
            throw error
        } catch {
            // It is in the report.
        }
        let result = report.withLock { $0 }
        print(json ? result.json.description : Messages.printable(result.text))
        guard fflush(nil) == 0 else {
            throw TransferError(.local, "the report cannot be written: \(String(cString: strerror(errno)))")
        }
        if let warning = result.warning, !connection.quiet { Messages.write("xfer: warning: \(warning)") }
        if let failure = result.failure {
            Messages.write(
                "xfer: \(failure.step) failed after \(PingReport.time(failure.seconds)): \(failure.reason)")
            throw ExitStatus.nothing
        }
    }
}
