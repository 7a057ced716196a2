import CLinux
import Glibc
import Kernel
import SystemPackage

/// The user record layer's way out: plaintext is laid straight into the slots of a block, sealed there, and sent many
/// records to one system call.
final class UserRecordWriter: RecordWriter {
    private let socket: SharedDescriptor
    private let suite: CipherSuite
    private var secret: Secret
    private var cipher: RecordCipher
    /// Held while it has something in it.
    private var block: Block?
    /// Sealed bytes: `sent..<sealed` wait for the socket.
    private var sent = 0
    private var sealed = 0
    /// The slot being filled starts at `sealed`; so many bytes of plaintext are in it and the full ones after it.
    private var plaintext = 0

    init(socket: SharedDescriptor, suite: CipherSuite, secret: Secret) {
        self.socket = socket
        self.suite = suite
        self.secret = secret
        cipher = RecordCipher(TrafficKeys(secret, suite: suite), sealing: true)
    }

    /// Bytes of plaintext that still fit behind what is there. Plaintext is laid out slot by slot, each with room for its
    /// header before it and its type and tag behind it.
    private var room: Int {
        let slots = (RecordBlock.size - sealed) / RecordBlock.slot
        return slots * Record.maximumPlaintext - plaintext
    }

    /// Where the plaintext byte number `index` goes, and how many more fit in its slot.
    private func place(_ index: Int) -> (offset: Int, room: Int) {
        let (slot, within) = index.quotientAndRemainder(dividingBy: Record.maximumPlaintext)
        return (sealed + slot * RecordBlock.slot + Record.headerLength + within, Record.maximumPlaintext - within)
    }

    private func taken(_ count: Int) {
        plaintext += count
        taken += count
    }

    override func push(_ cursor: inout MessageCursor, more: Bool) throws(ChannelError) -> Progress {
        while true {
            if room == 0 || sent < sealed {
                guard case .done = try drain() else { return .blocked }
            }
            let block = holdBlock()
            while cursor.headLeft > 0 && room > 0 {
                let (offset, space) = place(plaintext)
                let count = min(space, cursor.headLeft)
                cursor.message.head.withUnsafeBytes {
                    (block.start + offset).copyMemory(
                        from: $0.baseAddress.unsafelyUnwrapped + cursor.headDone, byteCount: count)
                }
                cursor.headDone += count
                taken(count)
            }
            while cursor.headLeft == 0 && cursor.fileLeft > 0 && room > 0 { try readFile(&cursor, into: block) }
            while cursor.headLeft == 0 && cursor.fileLeft == 0 && cursor.paddingLeft > 0 && room > 0 {
                block.bytes[place(plaintext).offset] = 0
                cursor.paddingDone += 1
                taken(1)
            }
            if cursor.isDone { return .done }
        }
    }

    /// Reads file bytes into as many slots as one preadv(2) fills.
    private func readFile(_ cursor: inout MessageCursor, into block: Block) throws(ChannelError) {
        guard let range = cursor.message.file else { return }
        let wanted = min(room, cursor.fileLeft)
        let count: Int
        do throws(SystemError) {
            count = try withUnsafeTemporaryAllocation(of: iovec.self, capacity: RecordBlock.records + 1) {
                vectors throws(SystemError) in
                var used = 0
                var covered = 0
                while covered < wanted && used < vectors.count {
                    let (offset, space) = place(plaintext + covered)
                    let length = min(space, wanted - covered)
                    vectors[used] = iovec(iov_base: block.start + offset, iov_len: length)
                    used += 1
                    covered += length
                }
                return try systemCall("preadv") {
                    preadv(
                        range.file.raw, vectors.baseAddress, Int32(used),
                        off_t(clamping: range.offset &+ UInt64(cursor.fileDone)))
                }
            }
        } catch {
            throw .system(error)
        }
        guard count > 0 else { throw .fileTruncated }
        cursor.fileDone += count
        taken(count)
    }

    override func drain() throws(ChannelError) -> Progress {
        while true {
            if let block, sent < sealed {
                do throws(SystemError) {
                    let count = try nonblocking("send") {
                        send(socket.raw, block.start + sent, sealed - sent, Int32(MSG_NOSIGNAL))
                    }
                    guard let count else { return .blocked }
                    sent += count
                } catch {
                    throw .system(error)
                }
                if sent < sealed { continue }
            }
            if sent == sealed && plaintext == 0 {
                giveBlock()
                return .done
            }
            sealAll(type: Record.ContentType.applicationData)
        }
    }

    /// Seals all plaintext where it lies: full records follow each other without a gap, and the last may be shorter.
    private func sealAll(type: UInt8) {
        guard let block else { return }
        while plaintext > 0 {
            let count = min(plaintext, Record.maximumPlaintext)
            sealed += cipher.seal(block.start + sealed, plaintext: count, type: type)
            plaintext -= count
        }
    }

    override func pushControl(type: UInt8, _ bytes: [UInt8]) throws(ChannelError) -> Progress {
        guard case .done = try drain() else { return .blocked }
        let block = holdBlock()
        let (offset, space) = place(0)
        precondition(bytes.count <= space, "a control record is small")
        bytes.withUnsafeBytes {
            (block.start + offset).copyMemory(from: $0.baseAddress.unsafelyUnwrapped, byteCount: $0.count)
        }
        plaintext = bytes.count
        sealAll(type: type)
        return .done
    }

    override func records(limit: UInt64) -> UInt64 { cipher.sequence }

    override func rekey() throws(ChannelError) {
        secret = KeySchedule.next(secret, suite: suite)
        cipher = RecordCipher(TrafficKeys(secret, suite: suite), sealing: true)
    }

    private func holdBlock() -> Block {
        if let block {
            if sent == sealed && plaintext == 0 { (sent, sealed) = (0, 0) }
            return block
        }
        let taken = BlockPool.records.take()
        block = taken
        (sent, sealed, plaintext) = (0, 0, 0)
        return taken
    }

    private func giveBlock() {
        if let block { BlockPool.records.give(block) }
        block = nil
        (sent, sealed, plaintext) = (0, 0, 0)
    }
}
