import CLinux
import Glibc
import SystemPackage

/// SCM_RIGHTS over an AF_LOCAL stream, unix(7).
package enum DescriptorPassing {
    /// The byte a descriptor travels with. No RPC message of an upcall begins with it: its record mark would promise a
    /// fragment of 16 MiB.
    package static let marker: UInt8 = 1

    /// Sends the marker and a descriptor with it; the descriptor stays the caller's.
    package static func send(_ descriptor: Int32, over socket: Int32) throws(SystemError) {
        var marker = Self.marker
        var number = descriptor
        let sent = try systemCall("sendmsg") { clinux_send_descriptors(socket, &marker, 1, &number, 1) }
        guard sent == 1 else { throw SystemError("sendmsg", .ioError) }
    }

    /// Receives what ``send(_:over:)`` sent.
    ///
    /// - Returns: nil at the end of the stream.
    /// - Throws: ``SystemError``; EBADMSG where a byte came without exactly one descriptor.
    package static func receive(over socket: Int32) throws(SystemError) -> Descriptor? {
        var marker = Self.marker
        var numbers = [Int32](repeating: -1, count: Int(CLINUX_MAX_PASSED))
        var count = 0
        let received = try systemCall("recvmsg") { clinux_receive_descriptors(socket, &marker, 1, &numbers, &count) }
        if received == 0 { return nil }
        guard count == 1 else {
            for number in numbers.prefix(count) { close(number) }
            throw SystemError("recvmsg", Errno(rawValue: EBADMSG))
        }
        return Descriptor(takingOwnershipOf: numbers[0])
    }

    /// Whether the next byte is the marker; nil at the end of the stream. Blocks until there is one, on a blocking socket.
    package static func isNext(on socket: Int32) throws(SystemError) -> Bool? {
        var byte: UInt8 = 0
        let count = try systemCall("recv") { recv(socket, &byte, 1, Int32(MSG_PEEK)) }
        return count == 0 ? nil : byte == marker
    }
}
