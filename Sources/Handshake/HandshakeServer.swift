import CProtocol
import CUpcall
import Glibc
package import Kernel
package import Logging
import RPC
package import SecureChannel
import Synchronization
import SystemPackage

/// A handshake daemon: answers upcalls on an AF_LOCAL socket (Protocol/tlscd.x, tlssd.x).
///
/// Each handshake has a thread of its own while it lasts, and a deadline, so a silent peer costs nobody else anything.
/// A session whose handshake is over costs two descriptors, its caller's and the connection's, and a small object with the
/// peer's certificate: it waits in epoll for its end or a REKEY.
package final class HandshakeServer: Sendable {
    private let role: Channel.Role
    private let handshaker: any Handshaker
    private let callers: CallerPolicy
    private let users: UserMap?
    private let log: Logger
    /// Seconds a handshake may take at most, whatever the engine asks for.
    private let longest: Double
    private let threads = ThreadPool("handshake", maximum: 1024, backlog: 4096)
    private let waiting: Epoll
    private let stopping: EventDescriptor
    private let sessions = Mutex<Table>(Table())
    /// How often what is trusted has changed.
    private let trust = Mutex(0)

    private struct Table {
        var open: [UInt64: UpcallSession] = [:]
        var next: UInt64 = 1
    }

    private static let stopToken: UInt64 = 0

    /// - Parameters:
    ///   - users: who certificates' users are on this machine; nil: nobody is asked.
    ///   - longest: seconds, more than zero.
    package init(
        role: Channel.Role, handshaker: any Handshaker, callers: CallerPolicy, users: UserMap? = nil, longest: Double,
        log: Logger
    ) throws(SystemError) {
        self.role = role
        self.handshaker = handshaker
        self.callers = callers
        self.users = users
        self.longest = longest
        self.log = log
        waiting = try Epoll()
        stopping = try EventDescriptor()
        try waiting.add(stopping.raw, token: Self.stopToken, events: Epoll.readable)
    }

    /// Serves upcalls on a listening, non-blocking socket, which stays the caller's, until ``stop()``. Blocks.
    package func run(_ raw: Int32) throws(SystemError) {
        let watcher = try Thread("sessions") { [self] in watch() }
        defer { watcher.join() }
        let accepting = try Epoll()
        try accepting.add(stopping.raw, token: Self.stopToken, events: Epoll.readable)
        try accepting.add(raw, token: 1, events: Epoll.readable)
        while let event = try accepting.wait(), event.token != Self.stopToken {
            do throws(SystemError) {
                while let socket = try Socket.accept(raw) { begin(socket) }
            } catch {
                log.error("cannot accept an upcall", metadata: ["reason": "\(error)"])
                _ = try Poll.wait(stopping.raw, for: Poll.readable, until: .after(seconds: 0.1))
            }
        }
    }

    /// Ends ``run(_:)``. Sessions go on: their keys are where they are used.
    package func stop() { stopping.signal() }

    /// Handshakes that succeeded and whose sessions are open.
    package var sessionCount: Int { sessions.withLock { $0.open.values.count { $0.isEstablished } } }

    /// Checks the peers' certificates of all sessions again, after authorities or revocation lists were loaded anew, and
    /// ends the sessions of those that do not pass (RFC 9289 section 5.2.1). Sessions of an earlier run of the daemon go on.
    ///
    /// - Returns: how many it ended.
    @discardableResult
    package func recheck() -> Int {
        trust.withLock { $0 += 1 }
        var ended = 0
        for session in sessions.withLock({ Array($0.open.values) }) {
            let chain = session.chain
            guard !chain.isEmpty, let reason = handshaker.objection(to: chain), session.end(reason, role: role) else {
                continue
            }
            ended += 1
            var label = session.label
            label["reason"] = "\(reason)"
            log.warning("session ended by a check of its certificate", metadata: label)
        }
        return ended
    }

    private func watch() {
        while true {
            do throws(SystemError) {
                guard let event = try waiting.wait() else { continue }
                if event.token == Self.stopToken { return }
                guard let session = sessions.withLock({ $0.open[event.token] }) else { continue }
                if !threads.submit({ [self] in serve(session) }) { end(session, "too many upcalls at once") }
            } catch {
                log.critical("waiting for upcalls failed", metadata: ["reason": "\(error)"])
                return
            }
        }
    }

    private func begin(_ socket: consuming Descriptor) {
        do throws(SystemError) {
            let caller = try PeerCredentials(of: socket.raw)
            try socket.setNonblocking(false)
            // A caller that stops in the middle of a call, or does not read its answer, must not hold its thread for ever.
            try setTimeout(socket.raw, SO_RCVTIMEO, seconds: 5)
            try setTimeout(socket.raw, SO_SNDTIMEO, seconds: 5)
            let token = sessions.withLock { table -> UInt64 in
                defer { table.next += 1 }
                return table.next
            }
            guard let session = UpcallSession(takingOwnershipOf: socket, token: token, caller: caller) else {
                return log.error("no memory for an upcall")
            }
            sessions.withLock { $0.open[token] = session }
            do throws(SystemError) {
                try waiting.add(
                    session.descriptor, token: token, events: Epoll.readable | Epoll.peerClosed | Epoll.oneShot)
            } catch {
                end(session, "\(error)")
            }
        } catch {
            log.error("an upcall cannot be served", metadata: ["reason": "\(error)"])
        }
    }

    private func setTimeout(_ socket: Int32, _ option: Int32, seconds: Int) throws(SystemError) {
        var time = timeval(tv_sec: seconds, tv_usec: 0)
        try systemCall("setsockopt") {
            setsockopt(socket, SOL_SOCKET, option, &time, socklen_t(MemoryLayout<timeval>.size))
        }
    }

    /// Handles one call of a session that is readable.
    private func serve(_ session: UpcallSession) {
        do throws(SystemError) {
            var target: Descriptor?
            guard let marked = try DescriptorPassing.isNext(on: session.descriptor) else { return end(session, nil) }
            if marked { target = try DescriptorPassing.receive(over: session.descriptor) }
            var request = upcall_request()
            upcall_server_receive(session.handle, UInt32(role == .client ? TLSCD : TLSSD), Upcall.version, &request)
            defer { upcall_request_free(&request) }
            switch request.kind {
            case UPCALL_CONNECT: connect(session, request.connect, target)
            case UPCALL_REKEY: rekey(session, request.rekey, target)
            case UPCALL_ANSWERED: break
            default: return end(session, nil)
            }
            try waiting.rearm(
                session.descriptor, token: session.token, events: Epoll.readable | Epoll.peerClosed | Epoll.oneShot)
        } catch {
            end(session, "\(error)")
        }
    }

    private func end(_ session: UpcallSession, _ reason: String?) {
        let known = sessions.withLock { $0.open.removeValue(forKey: session.token) }
        guard known != nil else { return }
        try? waiting.remove(session.descriptor)
        if let reason { log.error("an upcall failed", metadata: ["reason": "\(reason)"]) }
        if session.isEstablished { log.info("session ended", metadata: session.label) }
    }

    // MARK: CONNECT

    private func connect(_ session: UpcallSession, _ arguments: tls_connect_args, _ target: consuming Descriptor?) {
        var result: tls_connect_res
        let name = UpcallCoding.text(arguments.peer_name)
        do throws(HandshakeFailure) {
            guard callers.allows(session.caller) else {
                throw HandshakeFailure(
                    .notPermitted,
                    "user \(session.caller.user) may not use this \(role == .client ? "tlscd" : "tlssd") (see --allow)")
            }
            guard let target else { throw HandshakeFailure(.local, "CONNECT came without a socket") }
            guard !session.isEstablished else { throw HandshakeFailure(.local, "CONNECT came twice on one connection") }
            result = try secure(session, SharedDescriptor(target), name: name, arguments)
        } catch {
            log.warning(
                "handshake failed",
                metadata: [
                    "peer": "\(name)", "reason": "\(error.reason)", "kind": "\(error.kind)",
                    "caller": "\(session.caller.user)",
                ])
            result = UpcallCoding.failure(error)
        }
        _ = upcall_server_answer_connect(session.handle, &result)
        upcall_free_connect(&result)
    }

    private func secure(
        _ session: UpcallSession, _ socket: SharedDescriptor, name: String, _ arguments: tls_connect_args
    ) throws(HandshakeFailure) -> tls_connect_res {
        let wish = arguments.layer
        // Asked before the handshake, so that a peer is not left with half a session.
        if wish == TLS_LAYER_WANT_KERNEL, let obstacle = KernelTLS.obstacle(to: .aes128GCM) {
            throw HandshakeFailure(.recordLayer, "the record layer 'kernel' cannot be had: \(obstacle)")
        }
        let seconds = min(longest, Double(arguments.deadline_milliseconds) / 1000)
        let begun = trust.withLock { $0 }
        var outcome = try handshaker.handshake(
            on: socket.raw,
            HandshakeRequest(peerName: name, mutual: arguments.mutual != 0, deadline: .after(seconds: seconds)))
        let user = user(of: outcome, peer: name)
        outcome.peer?.user = user
        let obstacle = wish == TLS_LAYER_WANT_USER ? "not wanted" : KernelTLS.obstacle(to: outcome.secrets.suite)
        if wish == TLS_LAYER_WANT_KERNEL, let obstacle {
            throw HandshakeFailure(.recordLayer, "the record layer 'kernel' cannot be had: \(obstacle)")
        }
        let layer = obstacle == nil ? Channel.Layer.kernel : .user
        if layer == .kernel {
            do throws(SystemError) {
                try KernelTLS.install(outcome.secrets, on: socket.raw, role: role)
            } catch {
                if error.errno == .socketNotConnected { throw farewell(socket, outcome) }
                throw HandshakeFailure(.recordLayer, "the kernel did not take the keys: \(error)")
            }
        }
        session.establish(outcome, on: socket, layer: layer, role: role, peer: name)
        // The handshake may have gone by what was trusted before a reload whose recheck() had not met this session yet.
        if trust.withLock({ $0 }) != begun, !outcome.chain.isEmpty, let reason = handshaker.objection(to: outcome.chain)
        {
            throw HandshakeFailure(.peerRefused, reason)
        }
        log.info("session secured", metadata: session.label)
        return UpcallCoding.session(outcome, layer: layer)
    }

    /// Who the certificate's user is here. Each reason for nobody is a line in the log.
    private func user(of outcome: HandshakeOutcome, peer: String) -> MappedUser? {
        guard let identity = outcome.peer else { return nil }
        var reason = outcome.remark
        var user: MappedUser?
        if let users, let name = identity.userName {
            do throws(UserMap.Refusal) {
                user = try users.user(of: name)
            } catch {
                reason = "\(error)"
            }
        }
        if let reason {
            log.warning(
                "the certificate's user is not mapped",
                metadata: [
                    "peer": "\(peer)", "certificate": "\(identity.subject) serial \(identity.serial)",
                    "reason": "\(reason)",
                ])
        }
        return user
    }

    /// What a peer said that ended the connection before the kernel had its keys, which it takes on a whole connection only.
    ///
    /// A TLS 1.3 client is done before the server has seen its certificate: so does a server's refusal arrive.
    private func farewell(_ socket: SharedDescriptor, _ outcome: HandshakeOutcome) -> HandshakeFailure {
        let channel = Channel.user(socket, secrets: outcome.secrets, role: role, limits: .server, session: socket)
        do throws(ChannelError) {
            var byte: UInt8 = 0
            _ = try withUnsafeMutableBytes(of: &byte) { buffer throws(ChannelError) in
                try channel.receiver.receive(into: buffer)
            }
        } catch {
            return HandshakeFailure(.refusedByPeer, "\(error)")
        }
        return HandshakeFailure(.connectionLost, "the peer closed the connection right after the handshake")
    }

    // MARK: REKEY

    private func rekey(_ session: UpcallSession, _ arguments: tls_rekey_args, _ target: consuming Descriptor?) {
        var result = tls_rekey_res()
        do throws(HandshakeFailure) {
            guard let target else { throw HandshakeFailure(.local, "REKEY came without a socket") }
            try session.rekey(target.raw, arguments.direction == TLS_DIRECTION_TX ? .send : .receive)
            log.info("session has a new key", metadata: session.label)
            result.status = TLS_SECURED
            result.reason = UpcallCoding.string("", limit: TLS_MAXREASON)
        } catch {
            log.warning("a new key cannot be used", metadata: ["reason": "\(error.reason)"])
            result.status = tls_status(rawValue: error.kind.rawValue)
            result.reason = UpcallCoding.string(error.reason, limit: TLS_MAXREASON)
        }
        _ = upcall_server_answer_rekey(session.handle, &result)
        upcall_free_rekey(&result)
    }
}
