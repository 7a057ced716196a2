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
        _ socket: SharedDescriptor, _ layer: Layer, writer: RecordWriter, reader: RecordReader,
        session: any AnyObject & Sendable
    ) {
        self.socket = socket
        self.layer = layer
        self.session = session
        sender = Sender(writer)
        receiver = reader
        reader.onKeyUpdateRequested = { [sender] in sender.deferKeyUpdate() }
    }

    /// TCP as it is, for the probe of RFC 9289 section 4.1 and for `xprtsec=none`.
    package static func cleartext(_ socket: SharedDescriptor) -> Channel {
        Channel(
            socket, .cleartext, writer: SocketRecordWriter(socket: socket, rekeyer: nil),
            reader: SocketRecordReader(socket: socket, rekeyer: nil), session: socket)
    }

    /// Records in the kernel, which has both directions' keys already.
    package static func kernel(_ socket: SharedDescriptor, rekeyer: any Rekeyer) -> Channel {
        Channel(
            socket, .kernel, writer: SocketRecordWriter(socket: socket, rekeyer: rekeyer),
            reader: SocketRecordReader(socket: socket, rekeyer: rekeyer), session: rekeyer)
    }

    /// Records in this process.
    ///
    /// - Parameter session: kept as long as the channel is.
    package static func user(
        _ socket: SharedDescriptor, secrets: SessionSecrets, role: Role, session: any AnyObject & Sendable
    ) -> Channel {
        let (mine, theirs) =
            role == .client ? (secrets.client, secrets.server) : (secrets.server, secrets.client)
        return Channel(
            socket, .user, writer: UserRecordWriter(socket: socket, suite: secrets.suite, secret: mine),
            reader: UserRecordReader(socket: socket, suite: secrets.suite, secret: theirs), session: session)
    }

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
