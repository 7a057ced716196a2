package import Handshake
import Kernel
import NFS
import Synchronization

/// `xfer ping`: each step of reaching an export, how long it took, and then round trips.
package final class Ping: Sendable {
    /// A step that was done.
    package struct Step: Sendable {
        /// resolve, connect, STARTTLS, handshake, MOUNT, NFS
        package let name: String
        /// Seconds.
        package let seconds: Double
    }

    private struct State {
        var steps: [Step] = []
        var last = Deadline.clock
    }

    private let state = Mutex(State())

    /// The clock runs from here on.
    package init() {}

    /// The names of the steps that a connection has, in their order.
    package static func steps(isCleartext: Bool) -> [String] {
        ConnectionStep.allCases.filter { !isCleartext || $0 == .resolve || $0 == .connect }.map(\.rawValue)
            + ["MOUNT", "NFS"]
    }

    /// Those done so far, in their order.
    package var steps: [Step] { state.withLock { $0.steps } }

    /// Seconds since the last step was done: how long the one took that failed.
    package var sinceLast: Double { state.withLock { Double(Deadline.clock - $0.last) / 1e9 } }

    /// For ``Session``: a step is done.
    package func done(_ step: ConnectionStep) { done(step.rawValue) }

    private func done(_ name: String) {
        state.withLock { state in
            let now = Deadline.clock
            // MOUNT may want a connection of its own, and a guessed export may be refused: all of that is MOUNT's time.
            if state.steps.contains(where: { $0.name == name }) { return }
            state.steps.append(Step(name: name, seconds: Double(now - state.last) / 1e9))
            state.last = now
        }
    }

    /// Connects, mounts the export that holds `path`, and has the first answer of NFS.
    ///
    /// - Returns: the mounted export.
    package func reach(_ session: Session, _ path: String) async throws -> Remote {
        try await session.open()
        let remote = try await Remote.mount(session, path: path) { self.done("MOUNT") }
        done("NFS")
        return remote
    }

    /// One call of NFS's NULL procedure (RFC 1813 section 3.3.0).
    ///
    /// - Returns: seconds until its reply.
    package static func roundTrip(_ remote: Remote) async throws -> Double {
        let start = Deadline.clock
        _ = try await remote.session.call(
            procedure: NFS.ProcedureNumber.null.rawValue, arguments: [], subject: remote.session.host)
        return Double(Deadline.clock - start) / 1e9
    }

    /// What the server takes at most in one READ and one WRITE, in bytes: rtmax and wtmax of FSINFO.
    package static func limits(_ remote: Remote) async throws -> (read: UInt32, write: UInt32) {
        let info = try await remote.session.nfs(
            NFS.FSInfo.self, remote.root, subject: "\(remote.session.host):\(remote.export)")
        return (info.readMaximum, info.writeMaximum)
    }
}
