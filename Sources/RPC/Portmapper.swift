/// The port mapper, version 2, that rpcbind answers too (RFC 1833 section 3): which port a program listens on.
package enum Portmapper {
    package static let program: UInt32 = 100_000
    package static let version: UInt32 = 2
    package static let port: UInt16 = 111

    /// PMAPPROC_GETPORT
    private static let getPort: UInt32 = 3
    /// IPPROTO_TCP, as the arguments have it.
    private static let tcp: UInt32 = 6

    /// Asks for a program's TCP port.
    ///
    /// - Parameter client: a connection to the port mapper.
    /// - Returns: nil where no such program is registered.
    /// - Throws: ``RPCError``; `.malformed` for an answer that is no port.
    package static func port(of program: UInt32, version: UInt32, on client: Client) async throws -> UInt16? {
        var arguments = [UInt8](repeating: 0, count: 16)
        for (index, word) in [program, version, tcp, 0].enumerated() { arguments.storeWord(word, at: 4 * index) }
        let reply = try await client.call(
            program: Self.program, version: Self.version, procedure: getPort, arguments: arguments)
        let answer = reply.results.count == 4 ? reply.results.withUnsafeBytes { $0.word(at: 0) } : nil
        guard let answer, let port = UInt16(exactly: answer) else {
            throw RPCError.malformed("what rpcbind answered is no port")
        }
        return port == 0 ? nil : port
    }
}
