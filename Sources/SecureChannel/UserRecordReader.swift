import CLinux
import Glibc
import Kernel
import SystemPackage

/// The user record layer's way in: many records to one recv(2), opened where they lie, written to the file from there.
final class UserRecordReader: RecordReader {
    private let socket: SharedDescriptor
    private let suite: CipherSuite
    private var secret: Secret
    private var cipher: RecordCipher
    /// Held while something is in it.
    private var block: Block?
    /// Another one, held while the plaintext in it waits: ``receiveAhead()``.
    private var older: Block?
    /// Received into `block` and not opened: `unopened..<filled`.
    private var unopened = 0
    private var filled = 0
    /// Opened plaintext that waits to be taken, in order.
    private var segments: [Segment] = []
    private var firstSegment = 0
    /// What is wrong with the stream behind the opened plaintext, told when that is taken.
    private var failure: ChannelError?

    /// UIO_MAXIOV of the kernel: readv(2).
    private static let mostPieces = 1024

    private struct Segment {
        /// In `older` or in `block`.
        var start: UnsafeMutableRawPointer
        var count: Int
    }

    init(socket: SharedDescriptor, suite: CipherSuite, secret: Secret) {
        self.socket = socket
        self.suite = suite
        self.secret = secret
        cipher = RecordCipher(TrafficKeys(secret, suite: suite), sealing: false)
        segments.reserveCapacity(2 * (RecordBlock.records + 1))
    }

    override var hasBuffered: Bool { firstSegment < segments.count }

    override func receive(into buffer: UnsafeMutableRawBufferPointer) throws(ChannelError) -> Received {
        if let nothing = try fill() { return nothing }
        guard let target = buffer.baseAddress else { return .blocked }
        var done = 0
        while done < buffer.count && hasBuffered {
            let segment = segments[firstSegment]
            let count = min(segment.count, buffer.count - done)
            (target + done).copyMemory(from: segment.start, byteCount: count)
            done += count
            consume(count)
        }
        return .bytes(done)
    }

    override func receive(_ count: Int, to file: Int32, at offset: UInt64) throws(ChannelError) -> Received {
        if let nothing = try fill() { return nothing }
        let outcome = Result { () throws(SystemError) in
            try WriteTurns.take(file, waiting(count).bytes, meanwhile: receiveAhead) {
                () throws(SystemError) in try write(count, to: file, at: offset)
            }
        }
        switch outcome {
        case .success(let written) where written > 0:
            consume(written)
            return .bytes(written)
        case .success:
            return .fileFailed(drop(count), SystemError("pwritev", .noSpace))
        case .failure(let error):
            return .fileFailed(drop(count), error)
        }
    }

    /// The opened plaintext that goes into one write of so many bytes at most.
    private func waiting(_ limit: Int) -> (pieces: Range<Int>, bytes: Int) {
        // A peer may send records of a byte each, and the kernel takes so many pieces at once.
        let pieces = firstSegment..<min(segments.count, firstSegment + Self.mostPieces)
        return (pieces, min(limit, segments[pieces].reduce(0) { $0 + $1.count }))
    }

    private func write(_ limit: Int, to file: Int32, at offset: UInt64) throws(SystemError) -> Int {
        let (pieces, total) = waiting(limit)
        return try withUnsafeTemporaryAllocation(of: iovec.self, capacity: pieces.count) {
            vectors throws(SystemError) -> Int in
            var used = 0
            var covered = 0
            for piece in segments[pieces] where covered < total {
                let length = min(piece.count, total - covered)
                vectors[used] = iovec(iov_base: piece.start, iov_len: length)
                used += 1
                covered += length
            }
            return try systemCall("pwritev") {
                pwritev(file, vectors.baseAddress, Int32(used), off_t(clamping: offset))
            }
        }
    }

    /// Takes away what one write would have had.
    private func drop(_ limit: Int) -> Int {
        let bytes = waiting(limit).bytes
        consume(bytes)
        return bytes
    }

    private func consume(_ count: Int) {
        var left = count
        while left > 0 && firstSegment < segments.count {
            let step = min(left, segments[firstSegment].count)
            segments[firstSegment].start += step
            segments[firstSegment].count -= step
            left -= step
            if segments[firstSegment].count == 0 { firstSegment += 1 }
        }
        if firstSegment == segments.count {
            segments.removeAll(keepingCapacity: true)
            firstSegment = 0
            if let older { BlockPool.records.give(older) }
            older = nil
        }
    }

    /// Makes sure that there is plaintext.
    ///
    /// - Returns: nil where there is some, else why not.
    private func fill() throws(ChannelError) -> Received? {
        while !hasBuffered {
            if let failure { throw failure }
            if ended { return .end }
            do throws(ChannelError) {
                try openRecords()
            } catch {
                failure = error
            }
            if hasBuffered { return nil }
            if let failure { throw failure }
            if ended { return .end }
            guard try receiveMore() else {
                if unopened == filled { giveBlock() }
                return .blocked
            }
        }
        return nil
    }

    /// Receives and opens more while plaintext waits, in one further block at most.
    ///
    /// - Returns: false where nothing came, or no more can be taken.
    private func receiveAhead() -> Bool {
        guard let full = block, failure == nil, !ended else { return false }
        if full.bytes.count - filled < RecordBlock.roomAhead {
            if older != nil { return false }
            let next = BlockPool.records.take()
            next.start.copyMemory(from: full.start + unopened, byteCount: filled - unopened)
            (older, block) = (full, next)
            (unopened, filled) = (0, filled - unopened)
        }
        do throws(ChannelError) {
            guard try receiveMore() else { return false }
            try openRecords()
        } catch {
            failure = error
        }
        return true
    }

    /// Receives behind what is there.
    ///
    /// - Returns: false where nothing came.
    private func receiveMore() throws(ChannelError) -> Bool {
        let block = holdBlock()
        if unopened > 0 && !hasBuffered {
            // No segments wait here, so what is before the unopened bytes is free.
            if filled > unopened {
                block.start.copyMemory(from: block.start + unopened, byteCount: filled - unopened)
            }
            filled -= unopened
            unopened = 0
        }
        let count: Int?
        do throws(SystemError) {
            count = try nonblocking("recv") { recv(socket.raw, block.start + filled, block.bytes.count - filled, 0) }
        } catch {
            throw .system(error)
        }
        guard let count else { return false }
        guard count > 0 else { throw .truncated }
        filled += count
        return true
    }

    /// Opens every record that is whole, up to one that is not application data and changes what follows.
    private func openRecords() throws(ChannelError) {
        guard let block else { return }
        defer { watchKey(cipher.sequence) }
        while filled - unopened >= Record.headerLength && !ended {
            let record = block.start + unopened
            let type = record.load(as: UInt8.self)
            let length = Int(UInt16(bigEndian: (record + 3).loadUnaligned(as: UInt16.self)))
            guard length <= Record.maximumCiphertext else {
                throw .violation(.recordOverflow, "a record of \(length) bytes")
            }
            guard type == Record.ContentType.applicationData else {
                throw .violation(.unexpectedMessage, "an unprotected record of type \(type)")
            }
            guard length > Record.tagLength else { throw .violation(.decodeError, "a record of \(length) bytes") }
            guard filled - unopened >= Record.headerLength + length else { return }
            guard cipher.open(record, length: length) else {
                throw .violation(.badRecordMAC, "a record that was not sealed with this connection's key")
            }
            let start = unopened + Record.headerLength
            unopened = start + length
            // The content type is the last byte that is not zero: RFC 8446 section 5.4.
            var end = start + length - Record.tagLength
            while end > start && block.bytes[end - 1] == 0 { end -= 1 }
            guard end > start else { throw .violation(.unexpectedMessage, "a record without a content type") }
            let content = end - 1 - start
            guard content <= Record.maximumPlaintext else {
                throw .violation(.recordOverflow, "a record of \(content) bytes of plaintext")
            }
            let inner = block.bytes[end - 1]
            if inner == Record.ContentType.applicationData {
                try isData(content)
                if content > 0 { segments.append(Segment(start: block.start + start, count: content)) }
            } else {
                try control(
                    type: inner, UnsafeRawBufferPointer(start: block.start + start, count: content))
            }
        }
    }

    override func rekey() throws(ChannelError) {
        secret = KeySchedule.next(secret, suite: suite)
        cipher = RecordCipher(TrafficKeys(secret, suite: suite), sealing: false)
    }

    private func holdBlock() -> Block {
        if let block { return block }
        let taken = BlockPool.records.take()
        block = taken
        (unopened, filled) = (0, 0)
        return taken
    }

    private func giveBlock() {
        if let block { BlockPool.records.give(block) }
        block = nil
        (unopened, filled) = (0, 0)
    }
}
