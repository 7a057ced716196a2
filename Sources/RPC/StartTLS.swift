import CProtocol
package import Kernel
package import SecureChannel

/// The probe that comes before TLS: a NULL call with the credential AUTH_TLS, and its answer STARTTLS (RFC 9289 section 4.1).
package enum StartTLS {
    /// Why a server did not say STARTTLS.
    package enum Refusal: Error, Sendable, CustomStringConvertible {
        /// It answered, in RPC, something else.
        case unsupported(String)
        /// What it sent is not an answer in RPC.
        case notRPC
        /// It ended the connection.
        case closed
        /// Nothing came before the deadline.
        case timedOut
        /// The connection failed.
        case failed(String)

        package var description: String {
            switch self {
            case .unsupported(let answer):
                "the server speaks RPC but not RPC-with-TLS (\(answer)); nothing was sent to it in cleartext"
            case .notRPC: "what answers there does not speak RPC"
            case .closed: "the server closed the connection when it was asked for TLS"
            case .timedOut: "the server did not answer when it was asked for TLS"
            case .failed(let reason): reason
            }
        }
    }

    /// Asks for TLS. Afterwards the connection's next bytes are the handshake's: none of them has been read.
    ///
    /// - Parameters:
    ///   - channel: cleartext, at its first byte.
    ///   - program: whose NULL procedure is called.
    /// - Throws: ``Refusal``.
    package static func probe(
        _ channel: Channel, program: UInt32, version: UInt32, until deadline: Deadline
    ) throws(Refusal) {
        let transaction = UInt32.random(in: 0 ... .max)
        let call = CallHeader.encode(
            transaction: transaction, program: program, version: version, procedure: 0,
            credential: CallHeader.body(of: .tls), arguments: [], following: 0)
        do throws(ChannelError) {
            try channel.send(OutboundMessage(head: call), until: deadline)
        } catch {
            throw .failed("\(error)")
        }
        // A server that greets first, as SSH does, is known by its first four bytes: as a record mark they say too much.
        let reader = MessageReader(channel.receiver, largest: Handler.limit)
        let handler = Handler(transaction)
        while handler.answer == nil {
            do throws(RPCError) {
                switch try reader.run(handler) {
                case .end: throw RPCError.closedByPeer
                case .paused, .turn: break
                case .blocked:
                    guard try wait(channel, until: deadline) else { throw RPCError.timedOut(seconds: 0) }
                }
            } catch {
                // A greeting such as SSH's or HTTP's is the beginning of a message that never comes to its end.
                let isGreeting = !reader.isBetweenMessages
                switch error {
                case .timedOut where isGreeting, .channel(.truncated) where isGreeting: throw .notRPC
                case .timedOut: throw .timedOut
                case .closedByPeer, .channel(.truncated): throw .closed
                case .malformed, .oversized: throw .notRPC
                default: throw .failed("\(error)")
                }
            }
        }
        if case .other(let words) = handler.answer { throw .unsupported(words) }
    }

    private static func wait(_ channel: Channel, until deadline: Deadline) throws(RPCError) -> Bool {
        do throws(SystemError) {
            return try Poll.wait(channel.socket.raw, for: Poll.readable, until: deadline) != 0
        } catch {
            throw .channel(.system(error))
        }
    }

    private final class Handler: MessageHandler {
        static let limit = 1024
        private let transaction: UInt32
        /// What the server answered, once it has.
        private(set) var answer: Answer?

        enum Answer {
            case startTLS
            case other(String)
        }

        init(_ transaction: UInt32) { self.transaction = transaction }

        var wantsPause: Bool { answer != nil }

        func plan(_ head: UnsafeRawBufferPointer) throws(RPCError) -> MessagePlan { .whole(limit: Self.limit) }

        func message(_ bytes: UnsafeRawBufferPointer) throws(RPCError) {
            guard case .header(let reply, _) = ReplyHeader.decode(bytes), reply.xid == transaction else {
                throw .malformed("no RPC reply")
            }
            if let refusal = ReplyHeader.refusal(reply, program: 0, procedure: 0) {
                answer = .other("\(refusal)")
                return
            }
            let verifier = UnsafeRawBufferPointer(start: reply.verf.body, count: Int(reply.verf.length))
            let said = reply.verf.flavor == 0 && verifier.elementsEqual("STARTTLS".utf8)
            answer = said ? .startTLS : .other("it answered without STARTTLS")
        }

        func beginPayload(_ head: UnsafeRawBufferPointer, count: Int) throws(RPCError) -> PayloadTarget? { nil }
        func endPayload(_ error: SystemError?) throws(RPCError) {}
    }
}
