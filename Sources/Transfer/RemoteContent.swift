import CLinux
import Checksums
import Glibc
import Kernel
import NFS

extension Remote {
    /// The size and the checksum of a whole file: made by the server where it can, by reading it otherwise.
    func content(_ file: Object) async throws -> FileContent {
        try await contentByReading(file)
    }

    /// Bytes read and added at once.
    private static let piece: UInt64 = 16 << 20

    private func contentByReading(_ file: Object) async throws -> FileContent {
        let memory = try local(file.path) { () throws(SystemError) in
            let raw = try systemCall("memfd_create") { clinux_memory_file("xfer") }
            return SharedDescriptor(Descriptor(takingOwnershipOf: raw))
        }
        let state = ChecksumState(.xxh3)
        let size = file.attributes.size
        var offset: UInt64 = 0
        while offset < size {
            let range = offset..<min(size, offset + Self.piece)
            try await withThrowingTaskGroup(of: Void.self) { group in
                for start in stride(from: range.lowerBound, to: range.upperBound, by: readSize) {
                    let part = start..<min(range.upperBound, start + UInt64(readSize))
                    await session.window.acquire()
                    group.addTask {
                        defer { self.session.window.release() }
                        try await self.readRange(file, part, into: memory, named: file.path) { _ in }
                    }
                }
                try await group.waitForAll()
            }
            try local(file.path) { () throws(SystemError) in
                let bytes = try Files.read(memory.raw, count: range.count, at: range.lowerBound)
                bytes.withUnsafeBytes { state.update($0) }
                try systemCall("fallocate") {
                    clinux_punch_hole(
                        memory.raw, Int64(clamping: range.lowerBound), Int64(clamping: range.count))
                }
            }
            offset = range.upperBound
        }
        return FileContent(size: size, checksum: state.finish().bytes)
    }
}
