import Glibc
import Kernel
import NFS
import Testing

@testable import FileServer

@Suite struct ListingSnapshotTests {
    private let now = SnapshotCache.Stamp(
        modified: NFSTime(seconds: 1 as UInt32, nanoseconds: 1), changed: NFSTime(seconds: 1 as UInt32, nanoseconds: 1))

    private func handle(_ number: UInt8) throws -> FileHandle { try #require(FileHandle([number])) }

    private func snapshot(
        _ directory: Directory, after lower: UInt64 = 0, limit: Int = 1 << 20,
        cookie: (UnsafeRawBufferPointer) -> UInt64 = { SipHash(key: []).hash($0) >> 2 + 3 }
    ) throws -> DirectorySnapshot {
        let opened = try Files.open(directory.path, O_RDONLY | O_DIRECTORY)
        var reader = try DirectoryReader(opened.raw)
        return try DirectorySnapshot(reading: &reader, after: lower, limit: limit, cookie: cookie)
    }

    private func filled(_ count: Int) throws -> Directory {
        let directory = try Directory()
        for index in 0..<count { try directory.write("name-\(index)", "") }
        return directory
    }

    /// The hash of the paper's appendix: key 00 to 0f, input 00 to 0e.
    @Test func theHashIsSipHash() {
        let hash = SipHash(key: Array(0..<16))
        #expect([UInt8](0..<15).withUnsafeBytes(hash.hash) == 0xa129_ca61_49be_45e5)
        #expect([UInt8]().withUnsafeBytes(hash.hash) == 0x726f_db47_dd0e_0e31)
        #expect([UInt8](0..<8).withUnsafeBytes(hash.hash) == 0x93f5_f579_9a93_2462)
    }

    @Test func namesThatDoNotFitAreForTheNextSnapshot() throws {
        let directory = try filled(500)
        var (lower, names, count): (UInt64, [FileName], Int) = (0, [], 0)
        while true {
            let part = try snapshot(directory, after: lower, limit: 3000)
            #expect(part.lower == lower && part.size <= 3000)
            #expect(part.items.allSatisfy { $0.cookie > lower && $0.cookie <= part.upper })
            #expect(part.items.map(\.cookie) == part.items.map(\.cookie).sorted())
            names += part.items.map(part.name)
            count += 1
            if part.upper == .max { break }
            lower = part.upper
        }
        #expect(count > 5)
        #expect(names.count == 500 && Set(names) == Set((0..<500).map { FileName("name-\($0)") }))
    }

    @Test func namesOfOneCookieAreInOneSnapshot() throws {
        let directory = try filled(200)
        var (lower, seen): (UInt64, [UInt64]) = (0, [])
        while true {
            // 20 names to a cookie
            let part = try snapshot(directory, after: lower, limit: 1500) { UInt64($0.last ?? 0) }
            #expect(Set(part.items.map(\.cookie)).isDisjoint(with: seen))
            seen += part.items.map(\.cookie)
            if part.upper == .max { break }
            lower = part.upper
        }
        #expect(seen.count == 200)
        // More of one than may be
        #expect(try snapshot(directory, limit: 500) { _ in 7 }.items.count == 200)
    }

    @Test func aReadingOlderThanAListingIsNotForIt() throws {
        let cache = SnapshotCache(limit: 1 << 20, small: 0)
        let (one, some) = (try handle(1), try snapshot(filled(10)))
        let older = cache.begin(one, beginning: false)
        let other = cache.begin(try handle(2), beginning: false)
        let mine = cache.begin(one, beginning: true)
        cache.end(older, some, now)
        #expect(cache.find(one, after: 5, now) == nil)
        cache.end(other, some, now)
        #expect(try cache.find(handle(2), after: 5, now) != nil, "it is of another directory")
        cache.end(mine, some, now)
        #expect(cache.find(one, after: 5, now) != nil)
        _ = cache.begin(one, beginning: true)
        #expect(cache.find(one, after: 5, now) == nil, "what was kept is older too")
        #expect(cache.size == some.size)
    }

    @Test func memoryIsBounded() throws {
        let some = try snapshot(filled(100))
        let cache = SnapshotCache(limit: some.size * 3, small: 0)
        for number in 0..<10 as Range<UInt8> {
            cache.end(cache.begin(try handle(number), beginning: true), some, now)
            #expect(cache.size <= some.size * 3)
            if number > 0 { #expect(try cache.find(handle(0), after: 0, now) != nil, "it is used all the time") }
        }
        #expect(try (1..<8).allSatisfy { try cache.find(handle($0), after: 0, now) == nil })
        #expect(try cache.find(handle(9), after: 0, now) != nil)
        let none = SnapshotCache(limit: 10, small: 0)
        none.end(none.begin(try handle(1), beginning: true), some, now)
        #expect(none.size == 0)
    }

    @Test(arguments: [
        ("6.6.0", true), ("6.18.44-fc-v657", true), ("7.0.1", true), ("6.5.13", false), ("6.1.0-18-amd64", false),
        ("5.15", false), ("6", false), ("", false), ("x.y", false),
    ])
    func kernelsByTheirRelease(release: String, isNew: Bool) {
        #expect(FileSystemType.isRelease(release, atLeast: 6, 6) == isNew)
    }
}
