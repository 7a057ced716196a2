import Glibc
import TestSupport

/// What is copied, and whether it arrived. Bytes that no compression or deduplication makes fewer.
enum Content {
    private static let blockSize = 1 << 20

    /// A file of random bytes.
    static func file(_ path: String, size: Int) throws {
        let file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
        guard file >= 0 else { throw Unexpected("\(path): \(String(cString: strerror(errno)))") }
        defer { close(file) }
        var numbers = RandomNumbers(seed: .random(in: 0 ... .max))
        var block = [UInt64](repeating: 0, count: blockSize / 8)
        var left = size
        while left > 0 {
            for index in block.indices { block[index] = numbers.next() }
            let count = min(left, blockSize)
            let written = block.withUnsafeBytes { Glibc.write(file, $0.baseAddress, count) }
            guard written == count else { throw Unexpected("\(path): \(String(cString: strerror(errno)))") }
            left -= count
        }
    }

    /// A tree of files, a hundred in each directory.
    static func tree(_ path: String, files: Int, size: Int) throws {
        mkdir(path, 0o755)
        var numbers = RandomNumbers(seed: .random(in: 0 ... .max))
        for index in 0..<files {
            let directory = "\(path)/d\(index / 100)"
            if index % 100 == 0 { mkdir(directory, 0o755) }
            let block = (0..<(size + 7) / 8).map { _ in numbers.next() }
            let file = open("\(directory)/f\(index % 100)", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
            guard file >= 0 else { throw Unexpected("\(directory): \(String(cString: strerror(errno)))") }
            defer { close(file) }
            let written = block.withUnsafeBytes { Glibc.write(file, $0.baseAddress, size) }
            guard written == size else { throw Unexpected("\(directory): \(String(cString: strerror(errno)))") }
        }
    }

    /// - Throws: where a copy is not what it is a copy of.
    static func compareFiles(_ source: String, _ copy: String) throws {
        let (one, other) = (open(source, O_RDONLY | O_CLOEXEC), open(copy, O_RDONLY | O_CLOEXEC))
        defer {
            close(one)
            close(other)
        }
        guard one >= 0, other >= 0 else { throw Unexpected("\(copy) is not there") }
        var left = [UInt8](repeating: 0, count: blockSize)
        var right = left
        while true {
            let (count, more) = (read(one, &left, blockSize), read(other, &right, blockSize))
            guard count >= 0, count == more, memcmp(left, right, count) == 0 else {
                throw Unexpected("\(copy) is not a copy of \(source)")
            }
            if count == 0 { return }
        }
    }

    /// - Parameter aspects: what must be the same besides names and contents.
    /// - Throws: where a copy is not what it is a copy of.
    ///
    /// A tree too large to be kept in memory beside what is measured is compared by diff(1), without aspects.
    static func compareTrees(
        _ source: String, _ copy: String, files: Int, _ aspects: TreeComparison.Aspects
    ) throws {
        if files > 20_000 {
            let ended = try RunningProgram(["diff", "-rq", source, copy]).wait(seconds: 3600)
            guard ended.status == 0 else { throw Unexpected("\(copy) is not a copy of \(source): \(ended)") }
            return
        }
        let differences = try TreeComparison.differences(RawPath(source), RawPath(copy), aspects)
        if let first = differences.first { throw Unexpected("\(copy) is not a copy of \(source): \(first)") }
    }
}
