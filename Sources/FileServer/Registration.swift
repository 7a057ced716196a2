import CRpcbind
import Glibc
package import Kernel
package import RPC
import SystemPackage

/// Programs that rpcbind(8) tells the ports of to clients that ask: RFC 1833, by libtirpc.
///
/// rpcbind has one address for each program, version and transport: the first IPv4 and the first IPv6 address is registered.
/// Used by one thread, and once in a process at a time.
package struct Registration {
    private struct Entry {
        let program: UInt32
        let version: UInt32
        let transport: String
    }

    private var made: [Entry] = []

    /// Registers, in place of what a server that is gone has left there.
    ///
    /// - Parameter addresses: where this process listens.
    /// - Throws: ``RegistrationError``; nothing is registered then.
    package init(_ programs: [any Program], at addresses: [SocketAddress]) throws(RegistrationError) {
        var targets: [(transport: String, address: SocketAddress)] = []
        for (transport, family) in [("tcp", AF_INET), ("tcp6", AF_INET6)] {
            if let address = addresses.first(where: { $0.family == family }) { targets.append((transport, address)) }
        }
        do throws(RegistrationError) {
            try Self.clear(programs, for: addresses)
            for program in programs {
                for (transport, address) in targets {
                    let done = try Self.ask { reason in
                        address.withPointer {
                            rpcbind_set(program.number, program.version, transport, $0, $1, reason)
                        }
                    }
                    guard done else { throw RegistrationError.taken(program, transport, "by another user") }
                    made.append(Entry(program: program.number, version: program.version, transport: transport))
                }
            }
        } catch {
            withdraw()
            throw error
        }
    }

    /// Takes back what was registered. What rpcbind does not take back is left there.
    package mutating func withdraw() {
        for entry in made { _ = try? Self.ask { rpcbind_unset(entry.program, entry.version, entry.transport, $0) } }
        made = []
    }

    /// Takes away registrations of these programs where nobody listens any more.
    ///
    /// - Throws: ``RegistrationError`` where somebody does and it is in the way.
    private static func clear(
        _ programs: [any Program], for addresses: [SocketAddress]
    ) throws(RegistrationError) {
        for entry in try list() {
            let transport = text(of: entry.netid)
            guard let program = programs.first(where: { $0.number == entry.program && $0.version == entry.version }),
                ["tcp", "tcp6"].contains(transport)
            else { continue }
            let address = SocketAddress(entry.address, length: entry.length)
            // Where the port is this process's now, it is nobody else's.
            let isOurs = addresses.contains { $0.family == address.family && $0.port == address.port }
            guard isOurs || !isAnswered(address) else {
                if !addresses.contains(where: { $0.family == address.family }) { continue }
                throw .taken(
                    program, transport, "at \(address), where it is answered (owner: \(text(of: entry.owner)))")
            }
            let done = try ask { rpcbind_unset(entry.program, entry.version, transport, $0) }
            guard done else { throw .taken(program, transport, "by \(text(of: entry.owner))") }
        }
    }

    private static func list() throws(RegistrationError) -> [rpcbind_entry] {
        var entries: UnsafeMutablePointer<rpcbind_entry>?
        defer { free(entries) }
        var count: Int32 = 0
        _ = try ask { reason in
            count = rpcbind_list(&entries, reason)
            return count
        }
        return Array(UnsafeBufferPointer(start: entries, count: Int(count)))
    }

    /// Whether somebody accepts connections there. A silent address counts as answered.
    private static func isAnswered(_ address: SocketAddress) -> Bool {
        do throws(SystemError) {
            _ = try Socket.connect(to: address, until: .after(seconds: 2))
            return true
        } catch {
            return error.errno != .connectionRefused && error.errno != .addressNotAvailable
        }
    }

    /// - Returns: whether rpcbind did it.
    private static func ask(
        _ body: (UnsafeMutablePointer<CChar>) -> Int32
    ) throws(RegistrationError) -> Bool {
        var reason = [CChar](repeating: 0, count: Int(RPCBIND_TEXT))
        let result = reason.withUnsafeMutableBufferPointer { space in
            space.baseAddress.map(body) ?? -1
        }
        guard result >= 0 else {
            let words = String(decoding: reason.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
            throw .unreachable(words)
        }
        return result > 0
    }

    /// A C array of characters, up to its NUL.
    private static func text<Characters>(of characters: Characters) -> String {
        withUnsafeBytes(of: characters) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    }
}

/// Why rpcbind(8) does not have this server's programs.
package struct RegistrationError: Error, CustomStringConvertible {
    package let description: String

    static func unreachable(_ reason: String) -> RegistrationError {
        RegistrationError(description: "--rpcbind: rpcbind does not answer (is it running?): \(reason)")
    }

    static func taken(_ program: any Program, _ transport: String, _ how: String) -> RegistrationError {
        RegistrationError(
            description:
                "--rpcbind: program \(program.number) version \(program.version) over \(transport) is registered already, \(how)"
        )
    }
}
