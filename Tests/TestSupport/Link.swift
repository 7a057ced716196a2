import Glibc
package import Kernel

/// The two ends of a TCP connection over loopback, non-blocking, without Nagle's delay.
package struct Link: Sendable {
    package let client: SharedDescriptor
    package let server: SharedDescriptor

    package init() throws {
        TestProcess.prepare()
        guard let address = try SocketAddress.resolve("127.0.0.1", port: 0).first else { throw NoConnection() }
        let listener = try Socket.listen(on: address)
        client = SharedDescriptor(try Socket.connect(to: try Socket.local(listener.raw), until: .after(seconds: 5)))
        _ = try Poll.wait(listener.raw, for: Poll.readable, until: .after(seconds: 5))
        guard let accepted = try Socket.accept(listener.raw)?.release() else { throw NoConnection() }
        server = SharedDescriptor(Descriptor(takingOwnershipOf: accepted))
        try Socket.setNoDelay(server.raw)
    }

    /// Waits until so many bytes can be read at the server's end: what was sent may still be on its way.
    package func arrived(_ count: Int) -> Bool {
        eventually(within: 10) { bytesWaiting(in: server.raw) >= count }
    }

    package struct NoConnection: Error { package init() {} }
}

/// Bytes that can be read from a socket or a pipe; -1 where nobody can say.
package func bytesWaiting(in descriptor: Int32) -> Int {
    var count: Int32 = 0
    return ioctl(descriptor, UInt(FIONREAD), &count) == 0 ? Int(count) : -1
}

/// What a test process must be like.
package enum TestProcess {
    /// libtirpc and libssl write without MSG_NOSIGNAL: the programs ignore SIGPIPE, and so do their tests.
    package static func prepare() { _ = once }
    private static let once: Void = {
        _ = signal(SIGPIPE, SIG_IGN)
        // Hundreds of connections, both ends of them, in tests that run at once: 1024 descriptors are too few.
        var limit = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        limit.rlim_cur = max(limit.rlim_cur, min(limit.rlim_max, 16384))
        setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    }()
}

/// Says that a socket is to be blocking, as OpenSSL's own reads and writes want it.
package func setBlocking(_ socket: SharedDescriptor) {
    _ = fcntl(socket.raw, F_SETFL, fcntl(socket.raw, F_GETFL) & ~O_NONBLOCK)
}

/// Has close(2) send RST.
package func setResetOnClose(_ socket: Int32) {
    var linger = linger(l_onoff: 1, l_linger: 0)
    setsockopt(socket, SOL_SOCKET, SO_LINGER, &linger, socklen_t(MemoryLayout.size(ofValue: linger)))
}

/// Writes all of it on a raw socket, waiting where it must.
package func sendAll(_ bytes: [UInt8], on socket: Int32) throws {
    var done = 0
    while done < bytes.count {
        let count = try nonblocking("send") {
            bytes.withUnsafeBytes {
                send(socket, $0.baseAddress.map { $0 + done }, bytes.count - done, Int32(MSG_NOSIGNAL))
            }
        }
        if let count {
            done += count
        } else {
            _ = try Poll.wait(socket, for: Poll.writable, until: .after(seconds: 20))
        }
    }
}

/// Reads so many bytes from a raw socket; fewer where the stream ends before, or nothing comes for `seconds`.
package func receiveAll(_ count: Int, on socket: Int32, seconds: Double = 20) throws -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: count)
    var done = 0
    while done < count {
        let received = try nonblocking("recv") {
            bytes.withUnsafeMutableBytes { recv(socket, $0.baseAddress.map { $0 + done }, count - done, 0) }
        }
        if received == 0 { break }
        if let received { done += received; continue }
        if try Poll.wait(socket, for: Poll.readable, until: .after(seconds: seconds)) == 0 { break }
    }
    return Array(bytes.prefix(done))
}
