import CLinux
package import Glibc
import SystemPackage

/// An IPv4, IPv6 or AF_LOCAL address.
package struct SocketAddress: Sendable, CustomStringConvertible {
    private var storage: sockaddr_storage
    private let length: socklen_t

    package init(_ storage: sockaddr_storage, length: socklen_t) {
        self.storage = storage
        self.length = length
    }

    /// An AF_LOCAL address: a path, or an abstract name written as `@name` (unix(7)).
    ///
    /// - Throws: ``SystemError`` ENAMETOOLONG where the path has more than 107 bytes.
    package init(path: String) throws(SystemError) {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_LOCAL)
        let isAbstract = path.hasPrefix("@")
        let bytes = isAbstract ? [0] + Array(path.utf8.dropFirst()) : Array(path.utf8)
        guard bytes.count < MemoryLayout.size(ofValue: address.sun_path) else {
            throw SystemError("connect", .fileNameTooLong, on: path)
        }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
        storage = sockaddr_storage()
        withUnsafeMutableBytes(of: &storage) { target in
            withUnsafeBytes(of: address) { target.copyMemory(from: $0) }
        }
        // An abstract name is all the bytes there are; a path ends at its NUL.
        let family = MemoryLayout.offset(of: \sockaddr_un.sun_path) ?? 2
        length = isAbstract ? socklen_t(family + bytes.count) : socklen_t(MemoryLayout<sockaddr_un>.size)
    }

    package var family: Int32 { Int32(storage.ss_family) }

    package func withPointer<R>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> R) -> R {
        withUnsafePointer(to: storage) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, length) }
        }
    }

    /// The address in digits, without the port; nil for AF_LOCAL.
    package var host: String? { numeric?.host }

    /// 1...65535; 0 for AF_LOCAL.
    package var port: UInt16 { numeric?.port ?? 0 }

    private var numeric: (host: String, port: UInt16)? {
        var host = [CChar](repeating: 0, count: Int(NI_MAXHOST))
        var service = [CChar](repeating: 0, count: Int(NI_MAXSERV))
        let result = withPointer { address, length in
            getnameinfo(
                address, length, &host, socklen_t(host.count), &service, socklen_t(service.count),
                NI_NUMERICHOST | NI_NUMERICSERV)
        }
        guard result == 0 else { return nil }
        return (Self.text(host), UInt16(Self.text(service)) ?? 0)
    }

    private static func text(_ characters: [CChar]) -> String {
        String(decoding: characters.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    package var description: String {
        guard let numeric else { return "local socket" }
        return family == AF_INET6 ? "[\(numeric.host)]:\(numeric.port)" : "\(numeric.host):\(numeric.port)"
    }

    /// Every stream address of a name, in getaddrinfo(3)'s order.
    ///
    /// - Parameters:
    ///   - host: a DNS name, or an address in digits (IPv6 without brackets).
    ///   - passive: for listening: an empty host is every address of the machine.
    /// - Throws: ``ResolveError`` with the resolver's own words.
    package static func resolve(_ host: String, port: UInt16, passive: Bool = false) throws(ResolveError)
        -> [SocketAddress]
    {
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        hints.ai_flags = AI_NUMERICSERV | (passive ? AI_PASSIVE : 0)
        var list: UnsafeMutablePointer<addrinfo>?
        let result = getaddrinfo(host.isEmpty ? nil : host, "\(port)", &hints, &list)
        guard result == 0 else {
            let reason = result == EAI_SYSTEM ? "\(Errno(rawValue: errno))" : String(cString: gai_strerror(result))
            throw ResolveError(host: host, reason: reason)
        }
        defer { freeaddrinfo(list) }
        var addresses: [SocketAddress] = []
        var next = list
        while let entry = next {
            if let address = entry.pointee.ai_addr, entry.pointee.ai_addrlen <= MemoryLayout<sockaddr_storage>.size {
                var storage = sockaddr_storage()
                withUnsafeMutableBytes(of: &storage) {
                    $0.copyMemory(from: UnsafeRawBufferPointer(start: address, count: Int(entry.pointee.ai_addrlen)))
                }
                addresses.append(SocketAddress(storage, length: entry.pointee.ai_addrlen))
            }
            next = entry.pointee.ai_next
        }
        return addresses
    }

    /// Whether `text` is an IPv4 or IPv6 address in digits, and its 4 or 16 bytes.
    package static func numericBytes(_ text: String) -> [UInt8]? {
        var v4 = in_addr()
        if inet_pton(AF_INET, text, &v4) == 1 { return withUnsafeBytes(of: v4) { Array($0) } }
        var v6 = in6_addr()
        if inet_pton(AF_INET6, text, &v6) == 1 { return withUnsafeBytes(of: v6) { Array($0) } }
        return nil
    }

    /// The 4 bytes of an IPv4 address or the 16 of an IPv6 one in digits; nil for any other number of bytes.
    package static func numericText(_ bytes: [UInt8]) -> String? {
        guard bytes.count == 4 || bytes.count == 16 else { return nil }
        var characters = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
        let family = bytes.count == 4 ? AF_INET : AF_INET6
        guard inet_ntop(family, bytes, &characters, socklen_t(characters.count)) != nil else { return nil }
        return text(characters)
    }
}

/// A name that did not become an address.
package struct ResolveError: Error, CustomStringConvertible {
    package let host: String
    package let reason: String
    package var description: String { "cannot resolve '\(host)': \(reason)" }
}
