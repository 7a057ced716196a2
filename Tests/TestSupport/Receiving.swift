import Glibc
package import Kernel
package import SecureChannel

/// Blocking ways to read a channel, for tests.
package enum Receiving {
    /// Bytes until so many are there, or the stream ends.
    ///
    /// - Throws: ``ChannelError``; ``TookTooLong`` where nothing comes for `seconds`.
    package static func bytes(_ count: Int, from channel: Channel, chunk: Int = 1 << 16, seconds: Double = 30) throws
        -> [UInt8]
    {
        var result: [UInt8] = []
        result.reserveCapacity(min(count, 1 << 26))
        try each(of: count, from: channel, chunk: chunk, seconds: seconds) { result += $0 }
        return result
    }

    /// As ``bytes(_:from:chunk:seconds:)``, and hands them on as they come.
    ///
    /// - Returns: how many came.
    @discardableResult
    package static func each(
        of count: Int, from channel: Channel, chunk: Int = 1 << 16, seconds: Double = 30,
        _ body: (UnsafeRawBufferPointer) throws -> Void
    ) throws -> Int {
        let space = UnsafeMutableRawBufferPointer.allocate(byteCount: chunk, alignment: 16)
        defer { space.deallocate() }
        var done = 0
        while done < count {
            let part = UnsafeMutableRawBufferPointer(rebasing: space.prefix(min(chunk, count - done)))
            switch try channel.receiver.receive(into: part) {
            case .bytes(let n):
                done += n
                try body(UnsafeRawBufferPointer(rebasing: part.prefix(n)))
            case .blocked: try wait(channel, seconds)
            case .end: return done
            case .fileFailed: fatalError("no file was named")
            }
        }
        return done
    }

    /// What a file receive of so many bytes came to.
    package struct FileOutcome: Sendable {
        package var bytes = 0
        package var failures: [SystemError] = []
        package var ended = false
    }

    /// Has so many bytes written to a file from `offset` on.
    package static func file(
        _ count: Int, from channel: Channel, to file: Int32, at offset: UInt64 = 0, seconds: Double = 30
    ) throws -> FileOutcome {
        var outcome = FileOutcome()
        while outcome.bytes < count {
            switch try channel.receiver.receive(count - outcome.bytes, to: file, at: offset + UInt64(outcome.bytes)) {
            case .bytes(let n): outcome.bytes += n
            case .fileFailed(let n, let error):
                outcome.bytes += n
                outcome.failures.append(error)
            case .blocked: try wait(channel, seconds)
            case .end:
                outcome.ended = true
                return outcome
            }
        }
        return outcome
    }

    /// Reads on until the stream ends.
    ///
    /// - Returns: the bytes before its end.
    package static func untilEnd(of channel: Channel, seconds: Double = 30) throws -> [UInt8] {
        try bytes(.max, from: channel, seconds: seconds)
    }

    /// Reads on until something is wrong.
    ///
    /// - Returns: the bytes before that, and the error; nil where the stream ended well.
    package static func untilError(of channel: Channel, seconds: Double = 30) throws -> ([UInt8], ChannelError?) {
        var result: [UInt8] = []
        do {
            try each(of: .max, from: channel, seconds: seconds) { result += $0 }
            return (result, nil)
        } catch let error as ChannelError {
            return (result, error)
        }
    }

    private static func wait(_ channel: Channel, _ seconds: Double) throws {
        guard try Poll.wait(channel.socket.raw, for: Poll.readable, until: .after(seconds: seconds)) != 0 else {
            throw TookTooLong(seconds: seconds)
        }
    }
}
