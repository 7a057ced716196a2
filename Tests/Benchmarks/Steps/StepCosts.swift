import CLinux
import Glibc
import Kernel
import SecureChannel
import TestSupport

/// What a copy of a large file is made of, as the user record layer does it.
enum Step: String, CaseIterable, Sendable {
    case fileRead = "file-read"
    case seal, send, receive, open
    case fileWrite = "file-write"

    var label: String {
        switch self {
        case .fileRead: "read the file"
        case .seal: "seal the records"
        case .send: "send"
        case .receive: "receive"
        case .open: "open the records"
        case .fileWrite: "write the file"
        }
    }
}

/// Processor seconds of each step for itself, by the engine's own cipher and in blocks of its own size, with nothing around
/// it: their sum is the least a copy can take on this machine by these steps.
///
/// Each is done by all processors at once, as a copy has them all at work: they share the memory, and each is slower for it.
struct StepCosts {
    let workspace: Workspace
    /// Moved by each step in a round.
    let bytes: Int

    private static let blockSize = RecordBlock.records * Record.maximumPlaintext

    /// - Returns: seconds for each GB (10⁹ bytes).
    func measure(_ step: Step) throws -> [Step: Double] {
        switch step {
        case .fileRead: [step: try fileRead()]
        case .seal: [step: try records(sealing: true)]
        case .open: [step: try records(sealing: false)]
        case .send, .receive: try transmission()
        case .fileWrite: [step: try fileWrite()]
        }
    }

    /// Has every processor do a step with its share of the bytes, in a file of its own where there is one to write.
    ///
    /// - Parameter body: takes the bytes and the share's number; returns processor seconds.
    private func everywhere(_ body: @escaping @Sendable (Int, Int) throws -> Double) throws -> Double {
        let count = max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN)))
        let share = bytes / count
        let running = try (0..<count).map { number in try Running { try body(share, number) } }
        return perGB(try running.reduce(0) { $0 + (try $1.value(within: 3600)) }, share * count)
    }

    private func perGB(_ seconds: Double, _ moved: Int) -> Double { seconds / Double(moved) * 1e9 }

    /// Processor seconds of this thread.
    private static var clock: Double {
        var now = timespec()
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now)
        return Double(now.tv_sec) + Double(now.tv_nsec) / 1e9
    }

    private func fileRead() throws -> Double {
        let path = workspace.path("served/file")
        return try everywhere { bytes, number in
            let file = try Files.open(path, O_RDONLY)
            let block = Block(Self.blockSize)
            let start = Self.clock
            var moved = 0
            while moved < bytes {
                let count = try systemCall("pread") {
                    pread(file.raw, block.start, min(Self.blockSize, bytes - moved), off_t(number * bytes + moved))
                }
                guard count > 0 else { throw Unexpected("\(path) is too short") }
                moved += count
            }
            return Self.clock - start
        }
    }

    /// Into files that are not there, as a copy is.
    private func fileWrite() throws -> Double {
        let path = workspace.path("copy/step")
        return try everywhere { bytes, number in
            let file = try Files.open("\(path)-\(number)", O_WRONLY | O_CREAT | O_TRUNC, mode: 0o600)
            defer { unlink("\(path)-\(number)") }
            let block = Block(Self.blockSize)
            let start = Self.clock
            try systemCall("ftruncate") { ftruncate(file.raw, off_t(bytes)) }
            var moved = 0
            while moved < bytes {
                moved += try systemCall("pwrite") {
                    pwrite(file.raw, block.start, min(Self.blockSize, bytes - moved), off_t(moved))
                }
            }
            return Self.clock - start
        }
    }

    /// Sealing alone, and opening alone: each block is sealed once before it is opened.
    private func records(sealing: Bool) throws -> Double {
        try everywhere { bytes, _ in
            let keys = TrafficKeys(TestSecrets.make(.aes128GCM).client, suite: .aes128GCM)
            let sealer = RecordCipher(keys, sealing: true)
            let opener = RecordCipher(keys, sealing: false)
            let block = Block(RecordBlock.size)
            var moved = 0
            var seconds = 0.0
            while moved < bytes {
                var start = Self.clock
                for record in 0..<RecordBlock.records {
                    _ = sealer.seal(
                        block.start + record * RecordBlock.slot, plaintext: Record.maximumPlaintext,
                        type: Record.ContentType.applicationData)
                }
                if !sealing {
                    start = Self.clock
                    for record in 0..<RecordBlock.records {
                        let length = RecordBlock.slot - Record.headerLength
                        guard opener.open(block.start + record * RecordBlock.slot, length: length) else {
                            throw Unexpected("a record that was just sealed does not open")
                        }
                    }
                }
                seconds += Self.clock - start
                moved += Self.blockSize
            }
            // The last block may go beyond the share.
            return seconds * Double(bytes) / Double(moved)
        }
    }

    /// Both ends of a connection at once, a thread each, as one cannot be without the other.
    private func transmission() throws -> [Step: Double] {
        let link = try Link()
        setBlocking(link.client)
        setBlocking(link.server)
        let bytes = bytes
        let sender = try Running {
            let block = Block(Self.blockSize)
            let start = Self.clock
            var sent = 0
            while sent < bytes {
                sent += try systemCall("send") {
                    send(link.server.raw, block.start, Self.blockSize, Int32(MSG_NOSIGNAL))
                }
            }
            shutdown(link.server.raw, Int32(SHUT_WR))
            return Self.clock - start
        }
        let block = Block(Self.blockSize)
        let start = Self.clock
        var received = 0
        while true {
            let count = try systemCall("recv") { recv(link.client.raw, block.start, Self.blockSize, 0) }
            if count == 0 { break }
            received += count
        }
        let receiving = Self.clock - start
        return [.send: perGB(try sender.value(), received), .receive: perGB(receiving, received)]
    }
}
