package import CLinux
import Glibc
import SystemPackage

/// Stream sockets: TCP and AF_LOCAL. Every descriptor made here is close-on-exec.
package enum Socket {
    /// Connects to one address.
    ///
    /// - Returns: a non-blocking socket; over TCP, without Nagle's delay (a call is one message, and its answer is waited for).
    /// - Throws: ``SystemError``; ETIMEDOUT when `deadline` passed first.
    package static func connect(to address: SocketAddress, until deadline: Deadline) throws(SystemError) -> Descriptor {
        try connect(try make(address.family), to: address, until: deadline)
    }

    static func connect(
        _ socket: consuming Descriptor, to address: SocketAddress, until deadline: Deadline
    ) throws(SystemError) -> Descriptor {
        let name = "\(address)"
        do throws(SystemError) {
            try systemCall("connect", on: name) { address.withPointer { Glibc.connect(socket.raw, $0, $1) } }
        } catch {
            guard error.errno == .nowInProgress else { throw error }
            guard try Poll.wait(socket.raw, for: POLLOUT, until: deadline) != 0 else {
                throw SystemError("connect", .timedOut, on: name)
            }
            let reason = try option(socket.raw, SOL_SOCKET, SO_ERROR)
            guard reason == 0 else { throw SystemError("connect", Errno(rawValue: reason), on: name) }
        }
        if address.family != AF_LOCAL { try setNoDelay(socket.raw) }
        return socket
    }

    /// A non-blocking listening socket.
    ///
    /// - Throws: ``SystemError``: EADDRINUSE, EACCES for a port below 1024 without the capability.
    package static func listen(on address: SocketAddress, backlog: Int32 = 1024) throws(SystemError) -> Descriptor {
        let name = "\(address)"
        let socket = try make(address.family)
        if address.family != AF_LOCAL { try setOption(socket.raw, SOL_SOCKET, SO_REUSEADDR, 1) }
        if address.family == AF_INET6 { try setOption(socket.raw, Int32(IPPROTO_IPV6), IPV6_V6ONLY, 1) }
        try systemCall("bind", on: name) { address.withPointer { Glibc.bind(socket.raw, $0, $1) } }
        try systemCall("listen", on: name) { Glibc.listen(socket.raw, backlog) }
        return socket
    }

    /// The next connection of a non-blocking listening socket, non-blocking itself; nil where none waits.
    package static func accept(_ listener: Int32) throws(SystemError) -> Descriptor? {
        do throws(SystemError) {
            return Descriptor(
                takingOwnershipOf: try systemCall("accept4") { clinux_accept(listener) })
        } catch {
            // A connection that ended while it waited is nobody's error: accept(2).
            if error.errno == .wouldBlock || error.errno == .connectionAbort { return nil }
            throw error
        }
    }

    /// A connected AF_LOCAL stream pair, blocking.
    package static func pair() throws(SystemError) -> (Int32, Int32) {
        var ends: (Int32, Int32) = (-1, -1)
        try systemCall("socketpair") {
            withUnsafeMutableBytes(of: &ends) {
                socketpair(
                    AF_LOCAL, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0,
                    $0.assumingMemoryBound(to: Int32.self).baseAddress)
            }
        }
        return ends
    }

    package static func setNoDelay(_ socket: Int32) throws(SystemError) {
        try setOption(socket, Int32(IPPROTO_TCP), TCP_NODELAY, 1)
    }

    /// The address at the other end.
    package static func peer(_ socket: Int32) throws(SystemError) -> SocketAddress {
        try address("getpeername") { getpeername(socket, $0, $1) }
    }

    /// The address at this end.
    package static func local(_ socket: Int32) throws(SystemError) -> SocketAddress {
        try address("getsockname") { getsockname(socket, $0, $1) }
    }

    /// Ends both directions without closing the descriptor: threads that wait on it wake up.
    package static func shutdown(_ socket: Int32) {
        // ENOTCONN says that it is over already.
        _ = Glibc.shutdown(socket, Int32(SHUT_RDWR))
    }

    package static func setOption(_ socket: Int32, _ level: Int32, _ name: Int32, _ value: Int32) throws(SystemError) {
        var value = value
        try systemCall("setsockopt") { setsockopt(socket, level, name, &value, socklen_t(MemoryLayout<Int32>.size)) }
    }

    package static func option(_ socket: Int32, _ level: Int32, _ name: Int32) throws(SystemError) -> Int32 {
        var value: Int32 = 0
        var length = socklen_t(MemoryLayout<Int32>.size)
        try systemCall("getsockopt") { getsockopt(socket, level, name, &value, &length) }
        return value
    }

    static func make(_ family: Int32) throws(SystemError) -> Descriptor {
        Descriptor(
            takingOwnershipOf: try systemCall("socket") {
                socket(family, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue), 0)
            })
    }

    private static func address(
        _ call: StaticString, _ body: (UnsafeMutablePointer<sockaddr>, UnsafeMutablePointer<socklen_t>) -> Int32
    ) throws(SystemError) -> SocketAddress {
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        try systemCall(call) {
            withUnsafeMutablePointer(to: &storage) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, &length) }
            }
        }
        return SocketAddress(storage, length: length)
    }
}

/// The two ends of an AF_LOCAL connection know each other's user: SO_PEERCRED, unix(7).
package struct PeerCredentials: Sendable, Equatable {
    package let process: pid_t
    package let user: uid_t
    package let group: gid_t

    package init(of socket: Int32) throws(SystemError) {
        var process: pid_t = 0
        var user: uid_t = 0
        var group: gid_t = 0
        try systemCall("getsockopt") { clinux_peer_credentials(socket, &process, &user, &group) }
        self.process = process
        self.user = user
        self.group = group
    }
}
