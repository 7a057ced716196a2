import COpenSSL
import Certificates
import Glibc
import Handshake
import Kernel
import TLS
import Testing

/// Peers of another make, well and badly behaved.
@Suite struct ForeignPeerTests {
    private let credentials: Credentials
    private let link: Link

    init() throws {
        credentials = try Credentials()
        link = try Link()
    }

    private func asServer(_ peer: ForeignPeer, mutual: Bool = false) throws -> (HandshakeResult, (Bool, String)) {
        let server = try credentials.serverHandshaker()
        return try asServer(server, peer, mutual: mutual)
    }

    private func asServer(
        _ server: TLSHandshaker, _ peer: ForeignPeer, mutual: Bool = false
    ) throws -> (HandshakeResult, (Bool, String)) {
        let link = link
        let running = try Running { () -> HandshakeResult in
            let result = run(server, link.server, request("127.0.0.1", mutual: mutual))
            shutdown(link.server.raw, Int32(SHUT_WR))
            return result
        }
        let theirs = peer.handshake()
        shutdown(link.client.raw, Int32(SHUT_WR))
        return (try running.value(), theirs)
    }

    private func asClient(
        _ peer: ForeignPeer, _ change: (inout TLSConfiguration) -> Void = { _ in }
    ) throws -> (HandshakeResult, (Bool, String)) {
        let link = link
        let running = try Running {
            let result = peer.handshake()
            shutdown(link.server.raw, Int32(SHUT_WR))
            return result
        }
        let result = run(try credentials.clientHandshaker(change), link.client, request())
        shutdown(link.client.raw, Int32(SHUT_WR))
        return (result, try running.value())
    }

    @Test func clientWithoutALPN() throws {
        let (ours, theirs) = try asServer(try ForeignPeer(server: nil, on: link.client))
        #expect(try ours.get().applicationProtocol == nil)
        #expect(theirs.0)
    }

    @Test func clientWithAnotherALPN() throws {
        let (ours, theirs) = try asServer(try ForeignPeer(server: nil, on: link.client, protocols: "h2"))
        let refusal = try failure(ours)
        #expect(refusal.kind == .protocolViolation && refusal.reason.contains("h2"))
        #expect(theirs.1.contains("no application protocol"))
    }

    @Test func clientWithoutALPNWhereItIsInsistedOn() throws {
        let server = try credentials.serverHandshaker { $0.strictALPN = true }
        let (ours, theirs) = try asServer(server, try ForeignPeer(server: nil, on: link.client))
        #expect(try failure(ours).reason.contains("insisted"))
        #expect(theirs.1.contains("no application protocol"))
    }

    @Test func strictPeersAgree() throws {
        let (ours, theirs, _) = try handshake(
            credentials.clientHandshaker { $0.strictALPN = true }, credentials.serverHandshaker { $0.strictALPN = true }
        )
        #expect(try ours.get().applicationProtocol == "sunrpc")
        #expect(try theirs.get().applicationProtocol == "sunrpc")
    }

    @Test func clientOfTLS12() throws {
        let (ours, theirs) = try asServer(try ForeignPeer(server: nil, on: link.client, maximum: TLS1_2_VERSION))
        let refusal = try failure(ours)
        #expect(refusal.kind == .protocolViolation)
        #expect(refusal.reason == "the peer speaks no TLS 1.3 (it offered at most TLS 1.2)")
        #expect(theirs.1.contains("protocol version"))
    }

    @Test func clientWithoutCertificateIsToldSo() throws {
        let peer = try ForeignPeer(server: nil, on: link.client)
        let (ours, _) = try asServer(peer, mutual: true)
        #expect(try failure(ours).kind == .peerRefused)
        // In TLS 1.3 the client learns of it with its first read.
        var byte: UInt8 = 0
        OpenSSLError.clear()
        #expect(SSL_read(peer.ssl, &byte, 1) <= 0)
        #expect(OpenSSLError(draining: "read").reasons.contains("certificate required"))
    }

    @Test func serverOfTLS12() throws {
        let (ours, _) = try asClient(
            try ForeignPeer(server: credentials.server, on: link.server, maximum: TLS1_2_VERSION))
        let refusal = try failure(ours)
        #expect(refusal.kind == .protocolViolation)
        #expect(refusal.reason.hasPrefix("the peer speaks no TLS 1.3"))
    }

    /// A server that ignores what was offered and chooses TLS 1.2 in its ServerHello.
    @Test func serverThatChoosesTLS12() throws {
        let body: [UInt8] = [3, 3] + [UInt8](repeating: 7, count: 32) + [0, 0xc0, 0x2f, 0]
        let message: [UInt8] = [2, 0, 0, UInt8(body.count)] + body
        let record: [UInt8] = [22, 3, 3, 0, UInt8(message.count)] + message
        #expect(send(link.server.raw, record, record.count, 0) == record.count)
        let refusal = try failure(run(try credentials.clientHandshaker(), link.client, request()))
        #expect(refusal.kind == .protocolViolation)
        #expect(refusal.reason == "the peer speaks no TLS 1.3 (it answered with an older version)")
    }

    @Test func serverWithoutALPN() throws {
        let (ours, _) = try asClient(try ForeignPeer(server: credentials.server, on: link.server))
        #expect(try ours.get().applicationProtocol == nil)
    }

    @Test func serverWithoutALPNWhereItIsInsistedOn() throws {
        let (ours, theirs) = try asClient(try ForeignPeer(server: credentials.server, on: link.server)) {
            $0.strictALPN = true
        }
        #expect(try failure(ours).reason.contains("insisted"))
        #expect(!theirs.0)
    }

    @Test func serverWithAnotherALPN() throws {
        let peer = try ForeignPeer(server: credentials.server, on: link.server)
        peer.answerProtocol("h2")
        let (ours, theirs) = try asClient(peer)
        let refusal = try failure(ours)
        #expect(refusal.kind == .protocolViolation)
        #expect(refusal.reason.contains("another application protocol"))
        #expect(!theirs.0)
    }

    /// The "478 bytes": tickets right after the handshake stay in the socket, whole, for the record layer.
    @Test func ticketsOfAServerStayUnread() throws {
        let (ours, theirs) = try asClient(try ForeignPeer(server: credentials.server, on: link.server))
        _ = try ours.get()
        #expect(theirs.0)
        // Once the end of the stream is there, everything before it is.
        let hangUp = Int32(Epoll.peerClosed)
        #expect(try Poll.wait(link.client.raw, for: hangUp, until: .after(seconds: 10)) & hangUp != 0)
        var records = [UInt8](repeating: 0, count: 4096)
        let count = recv(link.client.raw, &records, records.count, Int32(MSG_PEEK))
        #expect(count > 5)
        // Two records of TLS from their first byte: content type 23, version 3.3, and the length that is there.
        var position = 0
        var found = 0
        while position + 5 <= count {
            #expect(records[position] == 23 && records[position + 1] == 3 && records[position + 2] == 3)
            position += 5 + Int(records[position + 3]) << 8 + Int(records[position + 4])
            found += 1
        }
        #expect(position == count && found == 2)
    }

    /// A client that sends data together with its Finished, in one segment: the data stays in the socket.
    @Test func dataBehindTheHandshakeStaysUnread() throws {
        let peer = try ForeignPeer(server: nil, on: link.client)
        let server = try credentials.serverHandshaker()
        let link = link
        let client = try Running { () -> Bool in
            peer.handshakeAndSend("hello", over: link.client)
        }
        _ = try run(server, link.server, request("127.0.0.1", mutual: false)).get()
        #expect(try client.value())
        var record = [UInt8](repeating: 0, count: 64)
        // Header, "hello", content type, tag
        #expect(recv(link.server.raw, &record, record.count, Int32(MSG_PEEK)) == 5 + 5 + 1 + 16)
        #expect(record[0] == 23)
    }

    @Test func silentPeers() throws {
        let server = try failure(run(try credentials.serverHandshaker(), link.server, request(seconds: 0.2)))
        #expect(server.kind == .timedOut)
        #expect(server.reason.hasPrefix("no answer in 0."))
        let other = try Link()
        let client = try failure(run(try credentials.clientHandshaker(), other.client, request(seconds: 0)))
        #expect(client.kind == .timedOut)
    }

    @Test func peerThatStopsHalfway() throws {
        let part: [UInt8] = [22, 3, 1, 2, 0, 1]
        send(link.client.raw, part, part.count, 0)
        let result = try failure(run(try credentials.serverHandshaker(), link.server, request(seconds: 0.2)))
        #expect(result.kind == .timedOut && result.reason.contains("6 bytes"))
    }

    @Test func garbage() throws {
        let text = "GET / HTTP/1.1\r\n\r\n"
        send(link.client.raw, text, text.utf8.count, 0)
        let server = try failure(run(try credentials.serverHandshaker(), link.server, request()))
        #expect(server.kind == .protocolViolation)
        #expect(server.reason.contains("not TLS") && server.reason.contains("GET /"))
        let other = try Link()
        let noise = [UInt8](repeating: 0x80, count: 64)
        send(other.server.raw, noise, noise.count, 0)
        let client = try failure(run(try credentials.clientHandshaker(), other.client, request()))
        #expect(client.kind == .protocolViolation && client.reason.contains("not TLS"))
    }

    @Test func peerThatCloses() throws {
        shutdown(link.server.raw, Int32(SHUT_WR))
        let result = try failure(run(try credentials.clientHandshaker(), link.client, request()))
        #expect(result.kind == .connectionLost && result.reason.contains("closed the connection"))
    }

    @Test func peerThatResets() throws {
        var linger = Glibc.linger(l_onoff: 1, l_linger: 0)
        setsockopt(link.server.raw, SOL_SOCKET, SO_LINGER, &linger, socklen_t(MemoryLayout<Glibc.linger>.size))
        // Another file under the number closes the socket, with a reset, and leaves the number to its owner.
        let null = open("/dev/null", O_RDONLY)
        dup2(null, link.server.raw)
        close(null)
        let result = try failure(run(try credentials.clientHandshaker(), link.client, request()))
        #expect(result.kind == .connectionLost)
    }
}
