import Glibc
import SystemPackage

extension Socket {
    /// The ports that Linux's NFS client binds to as well: below 1024, and above the services everybody knows.
    private static let reservedPorts: ClosedRange<UInt16> = 665...1023

    /// Connects from a port below 1024, which NFS servers take as a sign that it is root who asks (bindresvport(3), for
    /// IPv6 too).
    ///
    /// - Throws: ``SystemError``: EACCES without CAP_NET_BIND_SERVICE, EADDRINUSE where none is free, and what
    ///   ``connect(to:until:)`` throws.
    package static func connectReserved(
        to address: SocketAddress, until deadline: Deadline
    ) throws(SystemError) -> Descriptor {
        let socket = try make(address.family)
        try bindReserved(socket.raw, address.family)
        return try connect(socket, to: address, until: deadline)
    }

    private static func bindReserved(_ socket: Int32, _ family: Int32) throws(SystemError) {
        let count = reservedPorts.upperBound - reservedPorts.lowerBound + 1
        // Not always the same one first: a connection that just ended keeps its port for a minute.
        let start = UInt16.random(in: 0..<count)
        var last = SystemError("bind", .addressInUse, on: "a port below 1024")
        for step in 0..<count {
            let address = any(family, port: reservedPorts.lowerBound + (start + step) % count)
            do throws(SystemError) {
                try systemCall("bind", on: "a port below 1024") {
                    address.withPointer { Glibc.bind(socket, $0, $1) }
                }
                return
            } catch {
                guard error.errno == .addressInUse else { throw error }
                last = error
            }
        }
        throw last
    }

    /// A port of every address of this machine.
    private static func any(_ family: Int32, port: UInt16) -> SocketAddress {
        var storage = sockaddr_storage()
        storage.ss_family = sa_family_t(family)
        // The port stands at the same place in both families' structures: ip(7), ipv6(7).
        withUnsafeMutableBytes(of: &storage) { $0.storeBytes(of: port.bigEndian, toByteOffset: 2, as: UInt16.self) }
        let length = family == AF_INET6 ? MemoryLayout<sockaddr_in6>.size : MemoryLayout<sockaddr_in>.size
        return SocketAddress(storage, length: socklen_t(length))
    }
}
