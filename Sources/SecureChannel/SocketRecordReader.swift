import CLinux
import Glibc
import Kernel
import SystemPackage

/// The way in where the kernel opens the records, and in cleartext: recvmsg(2) for what is looked at, splice(2) through a
/// pipe for what goes to a file.
final class SocketRecordReader: RecordReader {
    private let socket: SharedDescriptor
    /// Nil in cleartext.
    private let rekeyer: (any Rekeyer)?
    private var isTLS: Bool { rekeyer != nil }
    private var count: KernelRecordCount
    /// What the socket said behind bytes that were spliced. It says it once.
    private var failure: SystemError?

    init(socket: SharedDescriptor, rekeyer: (any Rekeyer)?) {
        self.socket = socket
        self.rekeyer = rekeyer
        count = KernelRecordCount(socket, .receive)
    }

    override func receive(into buffer: UnsafeMutableRawBufferPointer) throws(ChannelError) -> Received {
        guard !buffer.isEmpty else { return .blocked }
        while !ended {
            var type = Record.ContentType.applicationData
            let count: Int?
            do throws(SystemError) {
                if let failure { throw failure }
                count = try nonblocking("recvmsg") {
                    isTLS
                        ? clinux_tls_receive(socket.raw, buffer.baseAddress, buffer.count, 0, &type)
                        : recv(socket.raw, buffer.baseAddress, buffer.count, 0)
                }
            } catch {
                throw translate(error)
            }
            guard let count else { return .blocked }
            if type == Record.ContentType.applicationData {
                if count == 0 {
                    guard !isTLS else { throw .truncated }
                    ended = true
                    return .end
                }
                try came(count)
                return .bytes(count)
            }
            try control(
                type: type, UnsafeRawBufferPointer(rebasing: buffer.prefix(count)), mayContinue: count == buffer.count)
        }
        return .end
    }

    override func receive(_ count: Int, to file: Int32, at offset: UInt64) throws(ChannelError) -> Received {
        if ended { return .end }
        let outcome: Spliced
        do throws(SystemError) {
            if let failure { throw failure }
            outcome = try PipePool.shared.withPipe { pipe throws(SystemError) in
                try splice(count, through: pipe, to: file, at: offset)
            }
        } catch {
            // A record that is not application data cannot be spliced: the kernel says EINVAL, and recvmsg tells what it is.
            if error.errno == .invalidArgument && isTLS { return try receiveCopying(count, to: file, at: offset) }
            throw translate(error)
        }
        switch outcome {
        case .moved(0):
            // The end, or a record without content: recvmsg tells which.
            if isTLS { return try receiveCopying(count, to: file, at: offset) }
            ended = true
            return .end
        case .moved(let count):
            try came(count)
            return .bytes(count)
        case .blocked: return .blocked
        case .fileFailed(let count, let error): return .fileFailed(count, error)
        }
    }

    private enum Spliced {
        case moved(Int)
        case blocked
        case fileFailed(Int, SystemError)
    }

    /// - Throws: ``SystemError`` of the socket's side.
    private func splice(
        _ count: Int, through pipe: PipePool.Lease, to file: Int32, at offset: UInt64
    ) throws(SystemError) -> Spliced {
        let flags = UInt32(CLINUX_SPLICE_F_MOVE | CLINUX_SPLICE_F_NONBLOCK)
        var moved = 0
        do throws(SystemError) {
            // The kernel gives one record to a call: as many as are there go into the pipe before one call takes them out.
            let last = try nonblocking("splice") {
                clinux_splice_all(socket.raw, pipe.writeEnd, min(count, pipe.capacity), flags, &moved)
            }
            // Nothing more is there, or the pipe is full.
            if last == nil && moved == 0 { return .blocked }
        } catch {
            guard moved > 0 else { throw error }
            // First the file gets what came before. A record that cannot be spliced waits where it is.
            if error.errno != .invalidArgument { failure = error }
        }
        var done = 0
        let outOf = pipe.readEnd
        while done < moved {
            var position = Int64(clamping: offset &+ UInt64(done))
            do throws(SystemError) {
                let written = try WriteTurns.take(file, moved - done) { () throws(SystemError) in
                    try systemCall("splice") {
                        clinux_splice(outOf, file, &position, moved - done, UInt32(CLINUX_SPLICE_F_MOVE))
                    }
                }
                guard written > 0 else { throw SystemError("splice", .noSpace) }
                done += written
            } catch {
                // What is left in the pipe is lost with it; the stream is behind all of it.
                pipe.spoil()
                return .fileFailed(moved, error)
            }
        }
        return .moved(moved)
    }

    /// The same with a copy, for the odd piece that splice does not take.
    private func receiveCopying(_ count: Int, to file: Int32, at offset: UInt64) throws(ChannelError) -> Received {
        var bytes: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)
        do {
            return try withUnsafeMutableBytes(of: &bytes) { space -> Received in
                let buffer = UnsafeMutableRawBufferPointer(rebasing: space.prefix(min(count, space.count)))
                let received = try receive(into: buffer)
                guard case .bytes(let n) = received else { return received }
                do throws(SystemError) {
                    try Files.write(file, UnsafeRawBufferPointer(rebasing: buffer.prefix(n)), at: offset)
                    return received
                } catch {
                    return .fileFailed(n, error)
                }
            }
        } catch let error as ChannelError {
            throw error
        } catch {
            fatalError("receive(into:) throws nothing but ChannelError")
        }
    }

    private func translate(_ error: SystemError) -> ChannelError {
        guard isTLS else { return .system(error) }
        switch error.errno {
        case Errno(rawValue: EBADMSG):
            return .violation(.badRecordMAC, "a record that was not sealed with this connection's key")
        case Errno(rawValue: EMSGSIZE):
            return .violation(.recordOverflow, "a record longer than TLS allows")
        case Errno(rawValue: EKEYEXPIRED):
            return .cannotRekey("the kernel has not been given its next key")
        default:
            return .system(error)
        }
    }

    /// Data came, by one call.
    private func came(_ bytes: Int) throws(ChannelError) {
        guard let keys else { return }
        count.moved(bytes)
        watchKey(count.records(limit: keys.limits.records))
        try isData(bytes)
    }

    override func rekey() throws(ChannelError) {
        try rekeyer?.rekey(.receive)
        count.begin()
    }
}
