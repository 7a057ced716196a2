import Glibc
import Synchronization
import TestSupport

/// A file that is appended to, each record with fsync(2): what a data base does.
final class Journal: Sendable {
    private static let length = 5000
    private let path: String
    private let file: Int32
    private let confirmed = Atomic(0)

    init(_ path: String) throws {
        self.path = path
        file = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o644)
        guard file >= 0 else { throw Unexpected("\(path): errno \(errno)") }
    }

    deinit { close(file) }

    private static func record(_ number: Int) -> [UInt8] { pattern(length, seed: UInt64(number)) }

    func append() throws {
        let number = confirmed.load(ordering: .acquiring)
        guard write(file, Self.record(number), Self.length) == Self.length, fsync(file) == 0 else {
            throw Unexpected("\(path), record \(number): errno \(errno)")
        }
        confirmed.store(number + 1, ordering: .releasing)
    }

    /// - Parameter copy: another way to the file.
    /// - Throws: where a record is not there that fsync has confirmed.
    func check(_ copy: String) throws {
        let count = confirmed.load(ordering: .acquiring)
        let found = bytes(of: copy) ?? []
        for number in 0..<count {
            let range = (number * Self.length)..<((number + 1) * Self.length)
            guard found.count >= range.upperBound, found[range].elementsEqual(Self.record(number)) else {
                throw Unexpected("record \(number) of \(count) that fsync confirmed is not in \(copy)")
            }
        }
    }
}
