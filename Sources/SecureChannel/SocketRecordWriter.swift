import CLinux
import Glibc
import Kernel
import SystemPackage

/// The way out where the kernel makes the records, and in cleartext: the head with MSG_MORE, the file by sendfile(2).
final class SocketRecordWriter: RecordWriter {
    private let socket: SharedDescriptor
    /// Nil in cleartext.
    private let rekeyer: (any Rekeyer)?
    /// Bytes in the record that the kernel holds open for more.
    private var open = 0
    /// Whether a file goes a record at a time: see ``stepAside()``.
    private var isSliced = false
    private var control: (type: UInt8, bytes: [UInt8])?
    private var count: KernelRecordCount

    init(socket: SharedDescriptor, rekeyer: (any Rekeyer)?) {
        self.socket = socket
        self.rekeyer = rekeyer
        count = KernelRecordCount(socket, .send)
    }

    override func push(_ cursor: inout MessageCursor, more: Bool) throws(ChannelError) -> Progress {
        do throws(SystemError) {
            while cursor.headLeft > 0 {
                let flags = Int32(MSG_NOSIGNAL | (cursor.fileLeft > 0 || more ? MSG_MORE : 0))
                let count = try nonblocking("send") {
                    cursor.message.head.withUnsafeBytes {
                        send(socket.raw, $0.baseAddress.unsafelyUnwrapped + cursor.headDone, cursor.headLeft, flags)
                    }
                }
                guard let count else { return stepAside() }
                cursor.headDone += count
                took(count, more: flags & Int32(MSG_MORE) != 0)
            }
            if let range = cursor.message.file {
                while cursor.fileLeft > 0 {
                    let slice = isSliced ? min(cursor.fileLeft, Record.maximumPlaintext - open) : cursor.fileLeft
                    var offset = off_t(clamping: range.offset &+ UInt64(cursor.fileDone))
                    let count = try nonblocking("sendfile") {
                        sendfile(socket.raw, range.file.raw, &offset, slice)
                    }
                    guard let count else { return stepAside() }
                    // 0 before the end: the file was cut short, and the record that was begun is lost.
                    guard count > 0 else { throw SystemError("sendfile", .ioError, on: Self.truncated) }
                    cursor.fileDone += count
                    took(count, more: count < slice)
                }
            }
            while cursor.paddingLeft > 0 {
                let flags = Int32(MSG_NOSIGNAL | (more ? MSG_MORE : 0))
                var zeros: UInt32 = 0
                let count = try nonblocking("send") { send(socket.raw, &zeros, cursor.paddingLeft, flags) }
                guard let count else { return stepAside() }
                cursor.paddingDone += count
                took(count, more: more)
            }
            return .done
        } catch {
            throw error.subject == Self.truncated ? .fileTruncated : .system(error)
        }
    }

    private static let truncated = "file cut short"

    private func took(_ count: Int, more: Bool) {
        taken += count
        self.count.moved(count)
        open = more ? (open + count) % Record.maximumPlaintext : 0
    }

    /// The socket takes no more now.
    ///
    /// The kernel gives TCP each record of a file as one with more to follow, and TCP keeps what is less than a segment back
    /// for that. Where the send buffer is not much larger than a segment it is full then, nothing follows, and the rest goes
    /// only when TCP's probe timer fires, 200 ms later, for each buffer again (nginx-devel, October 2021). So a file goes a
    /// record at a time there, each with nothing to follow, and what is kept back now is pushed: tcp(7), TCP_NODELAY.
    private func stepAside() -> Progress {
        guard rekeyer != nil, let buffer = try? Socket.option(socket.raw, SOL_SOCKET, SO_SNDBUF),
            let segment = try? Socket.option(socket.raw, Int32(IPPROTO_TCP), TCP_MAXSEG)
        else { return .blocked }
        isSliced = Int(buffer) < 4 * max(Int(segment), Record.maximumPlaintext)
        if isSliced { try? Socket.setNoDelay(socket.raw) }
        return .blocked
    }

    override func drain() throws(ChannelError) -> Progress {
        guard let (type, bytes) = control else { return .done }
        let count: Int?
        do throws(SystemError) {
            count = try nonblocking("sendmsg") {
                bytes.withUnsafeBytes { clinux_tls_send_record(socket.raw, type, $0.baseAddress, $0.count, 0) }
            }
        } catch {
            throw .system(error)
        }
        // A control record is taken whole or not at all.
        guard count != nil else { return .blocked }
        control = nil
        self.count.moved(0)
        return .done
    }

    override func pushControl(type: UInt8, _ bytes: [UInt8]) throws(ChannelError) -> Progress {
        guard case .done = try drain() else { return .blocked }
        // In cleartext there are no records, and nothing to say in one.
        if rekeyer != nil { control = (type, bytes) }
        return .done
    }

    override func records(limit: UInt64) -> UInt64 { rekeyer == nil ? 0 : count.records(limit: limit) }

    override func rekey() throws(ChannelError) {
        try rekeyer?.rekey(.send)
        count.begin()
    }
}

/// Gives the kernel the next key of one direction. The engine has no secrets in the kernel layer: whoever has them does it.
package protocol Rekeyer: AnyObject, Sendable {
    /// Whether ``rekey(_:)`` can be expected to do it: the kernel can, and who has the secrets is there.
    var isReady: Bool { get }
    /// - Throws: ``ChannelError/cannotRekey(_:)`` with the reason.
    func rekey(_ direction: RekeyDirection) throws(ChannelError)
}

/// Which direction's key changes, seen from this end.
package enum RekeyDirection: Sendable { case send, receive }
