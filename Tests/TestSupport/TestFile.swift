import Glibc
package import Kernel

/// A file without a name, for one test.
package struct TestFile: Sendable {
    package let descriptor: SharedDescriptor
    package var raw: Int32 { descriptor.raw }

    /// - Parameter bytes: what is in it.
    package init(_ bytes: [UInt8] = []) {
        // hostfs, the root of the kTLS lab, knows no unnamed files; the lab's /dev/shm is a tmpfs, as this machine's is.
        var template = Array("/dev/shm/tlsd-test-XXXXXX".utf8CString)
        let raw = template.withUnsafeMutableBufferPointer { buffer -> Int32 in
            guard let start = buffer.baseAddress else { return -1 }
            let raw = mkstemp(start)
            unlink(start)
            _ = fcntl(raw, F_SETFD, FD_CLOEXEC)
            return raw
        }
        guard raw >= 0 else { fatalError("no temporary file in /dev/shm: \(String(cString: strerror(errno)))") }
        descriptor = SharedDescriptor(Descriptor(takingOwnershipOf: raw))
        do {
            try bytes.withUnsafeBytes { try Files.write(raw, $0, at: 0) }
        } catch {
            fatalError("cannot fill a temporary file: \(error)")
        }
    }

    /// All that is in it.
    package var contents: [UInt8] {
        get throws {
            let size = Int(try Files.status(raw).st_size)
            var bytes = [UInt8](repeating: 0, count: size)
            _ = try bytes.withUnsafeMutableBytes { try Files.read(raw, into: $0, at: 0) }
            return bytes
        }
    }

    package func truncate(to count: Int) { _ = ftruncate(raw, off_t(count)) }
}

/// Bytes that look like no other part of themselves: a mistake of place or order shows.
package func pattern(_ count: Int, seed: UInt64 = 1) -> [UInt8] {
    var state = seed &* 0x9E37_79B9_7F4A_7C15 | 1
    return [UInt8](unsafeUninitializedCapacity: (count + 7) / 8 * 8) { bytes, filled in
        guard let start = bytes.baseAddress else { return }
        let words = UnsafeMutableRawPointer(start)
        var offset = 0
        // Tests make many megabytes of it, without optimization.
        while offset < count {
            state ^= state &<< 13
            state ^= state &>> 7
            state ^= state &<< 17
            words.storeBytes(of: state, toByteOffset: offset, as: UInt64.self)
            offset &+= 8
        }
        filled = count
    }
}

/// The same for more than should be in memory at once: a process of a lab has little.
package struct LargePattern {
    private let count: Int
    private static let piece = 4 << 20

    package init(count: Int) { self.count = count }

    private func forEachPiece(_ body: (Int, [UInt8]) throws -> Void) rethrows {
        for start in stride(from: 0, to: count, by: Self.piece) {
            try body(start, pattern(min(Self.piece, count - start), seed: UInt64(start + 1)))
        }
    }

    package func write(to path: String) throws {
        let file = try Files.open(path, O_WRONLY | O_CREAT | O_TRUNC)
        try forEachPiece { try Files.write(file.raw, $1, at: UInt64($0)) }
    }

    /// What keeps a file from being this with `ending` behind it; nil where it is.
    package func difference(from path: String, ending: [UInt8] = []) throws -> String? {
        let file = try Files.open(path, O_RDONLY)
        let size = Int(try Files.status(file.raw).st_size)
        guard size == count + ending.count else { return "\(size) bytes, not \(count + ending.count)" }
        var different: Int?
        try forEachPiece { start, bytes in
            if different == nil, try Files.read(file.raw, count: bytes.count, at: UInt64(start)) != bytes {
                different = start
            }
        }
        if let different { return "not the same behind \(different)" }
        return try Files.read(file.raw, count: ending.count, at: UInt64(count)) == ending ? nil : "another end"
    }
}
