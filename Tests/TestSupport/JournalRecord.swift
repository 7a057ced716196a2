/// What mount-worker writes, and a test looks for.
package enum JournalRecord {
    /// The bytes of a record; the file has them one behind the other, from record 0 on.
    package static func record(_ number: Int) -> [UInt8] { pattern(5000, seed: UInt64(number)) }

    /// - Throws: where one of the first `count` records is not in a file.
    package static func check(_ count: Int, in path: String) throws {
        let found = bytes(of: path) ?? []
        var at = 0
        for number in 0..<count {
            let record = Self.record(number)
            guard found.count >= at + record.count, found[at..<(at + record.count)].elementsEqual(record) else {
                throw Unexpected("record \(number), which fsync confirmed like \(count) in all, is not in \(path)")
            }
            at += record.count
        }
    }
}
