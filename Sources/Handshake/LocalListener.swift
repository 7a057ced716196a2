import Glibc
package import Kernel
import SystemPackage

/// A listening AF_LOCAL socket with a name, as a daemon has.
package enum LocalListener {
    /// Listens at `path`.
    ///
    /// A socket that nobody listens on any more, as a killed daemon leaves, is replaced. Everybody may connect: who may
    /// call is decided by credentials, so that who may not is told why. `@name` is an abstract name (unix(7)), which goes
    /// with the process.
    ///
    /// - Throws: ``SystemError``; EADDRINUSE where a daemon is listening already.
    package static func open(_ path: String) throws(SystemError) -> Descriptor {
        let address = try SocketAddress(path: path)
        let socket: Descriptor
        do throws(SystemError) {
            socket = try Socket.listen(on: address)
        } catch {
            guard error.errno == .addressInUse, !path.hasPrefix("@"), isAbandoned(address) else { throw error.on(path) }
            unlink(path)
            return try open(path)
        }
        if !path.hasPrefix("@") { try systemCall("chmod", on: path) { chmod(path, 0o666) } }
        return socket
    }

    private static func isAbandoned(_ address: SocketAddress) -> Bool {
        do throws(SystemError) {
            _ = try Socket.connect(to: address, until: .after(seconds: 1))
            return false
        } catch {
            return error.errno == .connectionRefused
        }
    }
}
