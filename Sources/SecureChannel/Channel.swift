import Glibc
package import Kernel
import SystemPackage

/// The session with a handshake daemon, which may end the connection: its peer's certificate was revoked, for one.
package protocol DaemonSession: AnyObject, Sendable {
    /// The daemon's reason; nil where there is none, or it was taken already.
    func takeEnd() -> String?
}

/// A connection's bytes under one of the record layers; two halves that move at once and know nothing of each other, but
/// that a KeyUpdate received may have one sent.
package final class Channel: Sendable {
    package let socket: SharedDescriptor
    package let layer: Layer
    package let sender: Sender
    /// Used by one thread at a time.
    package nonisolated(unsafe) let receiver: RecordReader
    /// Nil in cleartext.
    private let keys: KeyUse?
    /// What has to live as long as the channel does: the session with the handshake daemon.
    private let session: any AnyObject & Sendable

    /// Who makes the records.
    package enum Layer: String, Sendable {
        /// Nobody: there are none.
        case cleartext
        /// The kernel: tls(7).
        case kernel
        /// This process.
        case user
    }

    /// This end's part in the handshake.
    package enum Role: Sendable { case client, server }

    /// - Parameter socket: connected, non-blocking.
    private init(
        _ socket: SharedDescriptor, _ layer: Layer, writer: RecordWriter, reader: RecordReader, keys: KeyUse?,
        session: any AnyObject & Sendable
    ) {
        self.socket = socket
        self.layer = layer
        self.session = session
        self.keys = keys
        sender = Sender(writer, keys)
        receiver = reader
        reader.keys = keys
        reader.sendKeyUpdate = { [sender] in sender.deferKeyUpdate(requested: $0) }
    }

    /// TCP as it is, for the probe of RFC 9289 section 4.1 and for `xprtsec=none`.
    package static func cleartext(_ socket: SharedDescriptor) -> Channel {
        Channel(
            socket, .cleartext, writer: SocketRecordWriter(socket: socket, rekeyer: nil),
            reader: SocketRecordReader(socket: socket, rekeyer: nil), keys: nil, session: socket)
    }

    /// Records in the kernel, which has both directions' keys already.
    package static func kernel(_ socket: SharedDescriptor, rekeyer: any Rekeyer, limits: KeyLimits) -> Channel {
        Channel(
            socket, .kernel, writer: SocketRecordWriter(socket: socket, rekeyer: rekeyer),
            reader: SocketRecordReader(socket: socket, rekeyer: rekeyer),
            keys: KeyUse(limits) { rekeyer.isReady }, session: rekeyer)
    }

    /// Records in this process.
    ///
    /// - Parameter session: kept as long as the channel is.
    package static func user(
        _ socket: SharedDescriptor, secrets: SessionSecrets, role: Role, limits: KeyLimits,
        session: any AnyObject & Sendable
    ) -> Channel {
        let (mine, theirs) =
            role == .client ? (secrets.client, secrets.server) : (secrets.server, secrets.client)
        return Channel(
            socket, .user, writer: UserRecordWriter(socket: socket, suite: secrets.suite, secret: mine),
            reader: UserRecordReader(socket: socket, suite: secrets.suite, secret: theirs),
            keys: KeyUse(limits) { true }, session: session)
    }

    /// A key of it has protected as many records as it should, and it cannot be changed: the connection should be left for a
    /// new one. Until ``KeyLimits/most`` it goes on.
    package var isWorn: Bool { keys?.isWorn ?? false }

    /// Whether this end can change its keys: a peer may send KeyUpdate.
    package var takesKeyUpdates: Bool { keys?.isAble() ?? false }

    /// The peer has said that it takes KeyUpdates: keys are changed from now on, before they are worn. One that has sent a
    /// KeyUpdate need not say so.
    package func allowKeyUpdates() { keys?.allow() }

    /// How often the key of each direction was changed.
    package var keyChanges: (sending: Int, receiving: Int) { keys?.changes ?? (0, 0) }

    /// Why the handshake daemon ended this connection; nil where it did not. Asked once, when the connection has ended.
    package func endedByDaemon() -> String? { (session as? any DaemonSession)?.takeEnd() }

    /// Sends a message and waits until the socket has taken all of it, for callers with a thread to spare.
    ///
    /// - Throws: ``ChannelError``; ETIMEDOUT in ``ChannelError/system(_:)`` when `deadline` passed first.
    package func send(_ message: OutboundMessage, until deadline: Deadline = .never) throws(ChannelError) {
        if try sender.enqueue(message) { try Channel.finish(sender, on: socket, until: deadline) }
    }

    /// Ends the stream: everything queued, then close_notify, then FIN. The descriptor lives as long as its owners.
    package func close(until deadline: Deadline) {
        // A peer that is gone, or does not read, does not get it.
        try? { () throws(ChannelError) in
            if try sender.enqueue(.closeNotify) {
                try Channel.finish(sender, on: socket, until: deadline)
            } else {
                sender.waitUntilIdle(until: deadline)
            }
        }()
        sender.fail()
        Socket.shutdown(socket.raw)
    }

    /// Ends the sending half by FIN, behind close_notify.
    package func finishSending() { _ = shutdown(socket.raw, Int32(SHUT_WR)) }

    /// Takes what is there of the peer's bytes and forgets it, records and all: for after ``finishSending()``.
    ///
    /// - Returns: false when the peer has ended its half too.
    package func forgetInput() -> Bool {
        withUnsafeTemporaryAllocation(byteCount: 16 << 10, alignment: 8) { buffer in
            do throws(SystemError) {
                while let count = try nonblocking("recv", { recv(socket.raw, buffer.baseAddress, buffer.count, 0) }) {
                    if count == 0 { return false }
                }
                return true
            } catch {
                // A reset; or a record of another type where the kernel has the records, such as the peer's close_notify.
                return false
            }
        }
    }

    /// Ends the stream for `error`, telling the peer where TLS has an alert for it.
    package func abort(_ error: ChannelError) {
        if let alert = error.alert {
            // One try: the peer has broken the protocol. Who is sending just now sends it next.
            try? { () throws(ChannelError) in
                if try sender.enqueue(alert) {
                    _ = try sender.flush()
                } else {
                    sender.waitUntilIdle(until: .after(seconds: 1))
                }
            }()
        }
        sender.fail()
        Socket.shutdown(socket.raw)
    }

    /// Flushes as the flusher, waiting for the socket.
    package static func finish(
        _ sender: Sender, on socket: SharedDescriptor, until deadline: Deadline
    ) throws(ChannelError) {
        while try sender.flush() == .blocked {
            do throws(SystemError) {
                guard try Poll.wait(socket.raw, for: Poll.writable, until: deadline) != 0 else {
                    sender.fail()
                    throw SystemError("send", .timedOut)
                }
            } catch {
                throw .system(error)
            }
        }
    }
}
