import Synchronization
import Transfer

/// The places that a command is about, perhaps on several servers: one session for those in a row on the same one, and
/// what fails at one does not keep the others from their turn.
struct Places: Sendable {
    let names: [RemoteName]

    /// - Throws: ``UsageError`` where one is none.
    init(_ texts: [String]) throws {
        names = try texts.map { text in
            guard let name = try Place.remote(text) else {
                throw UsageError("'\(text)' is a local path; a place on a server is written host:/export/path")
            }
            return name
        }
    }

    /// Runs `body` for each place in turn, with the export that holds it mounted.
    ///
    /// - Parameters:
    ///   - begin: makes what the places on one server share.
    /// - Throws: ``ExitStatus`` where not all of it was done; messages have been written.
    func run<Shared: Sendable>(
        _ connection: ConnectionOptions, _ output: Output, begin: @escaping @Sendable () -> Shared,
        _ body: @escaping @Sendable (Remote, RemoteName, Shared, Failures) async throws -> Void
    ) async throws {
        let failures = Failures()
        var left = names[...]
        do {
            while let first = left.first {
                let group = left.prefix { $0.host == first.host && $0.options == first.options }
                left = left.dropFirst(group.count)
                do {
                    try await connection.withRemote(first, ahead: .object) { remote in
                        let shared = begin()
                        for (index, name) in group.enumerated() {
                            await failures.gather {
                                let mounted =
                                    index == 0 ? remote : try await Remote.mount(remote.session, path: name.path)
                                try await body(mounted, name, shared, failures)
                            }
                            try failures.check()
                        }
                    }
                } catch let error as TransferError {
                    failures.add(error)
                } catch let error where Failures.isOfOnePlace(error) {
                    failures.add(error)
                }
            }
            try output.flush()
        } catch is Output.Closed {
            throw ExitStatus.brokenPipe
        }
        try failures.finish()
    }
}

/// What failed, said as it happens; and what that makes of the exit status.
final class Failures: Sendable {
    private struct State {
        var done = 0
        var failed = 0
        /// The first few, for the hint at the end.
        var first: [any Error] = []
        /// What ends the command.
        var end: (any Error)?
    }
    private let state = Mutex(State())

    /// Says that something could not be done; the rest goes on.
    func add(_ error: any Error) {
        state.withLock {
            $0.failed += 1
            if $0.first.count < 100 { $0.first.append(error) }
        }
        Messages.error(error)
    }

    /// Whether other places may still do better.
    static func isOfOnePlace(_ error: any Error) -> Bool {
        !(error is Output.Closed || error is OutputError || error is ExitStatus || error is UsageError
            || error is CancellationError)
    }

    fileprivate func gather(_ body: () async throws -> Void) async {
        do {
            try await body()
            state.withLock { $0.done += 1 }
        } catch let error where Self.isOfOnePlace(error) && !Task.isCancelled {
            add(error)
        } catch {
            state.withLock { $0.end = error }
        }
    }

    fileprivate func check() throws { if let end = state.withLock({ $0.end }) { throw end } }

    fileprivate func finish() throws {
        let state = state.withLock { $0 }
        guard state.failed > 0 else { return }
        Messages.hint(state.first)
        throw state.done > 0 ? ExitStatus.some : .nothing
    }
}
