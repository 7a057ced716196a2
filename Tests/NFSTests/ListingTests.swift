import Testing

@testable import NFS

@Suite struct ListingTests {
    private let entries = [
        DirectoryEntry(fileID: 1, name: ".", cookie: 10),
        DirectoryEntry(fileID: 2, name: "abcd", cookie: 20, attributes: Sample.attributes, handle: Sample.handle),
        DirectoryEntry(fileID: 3, name: "abcde", cookie: 30, attributes: nil, handle: Sample.longHandle),
    ]

    @Test func listingsRoundTripAndHaveTheirLength() throws {
        for attributes in [Sample.attributes, nil] {
            let listing = DirectoryListing(attributes: attributes, verifier: 77, entries: entries, endOfDirectory: true)
            let plus = try listing.encode(plus: true)
            #expect(try plus.withUnsafeBytes { try NFS.ReadDirPlus.decode($0, subject: "d") } == listing)
            let overhead = DirectoryListing.overhead(attributes: attributes)
            #expect(plus.count == entries.reduce(overhead) { $0 + $1.encodedLengthPlus })
            let bare = try listing.encode(plus: false)
            #expect(bare.count == entries.reduce(overhead) { $0 + $1.encodedLength })
            let decoded = try bare.withUnsafeBytes { try NFS.ReadDir.decode($0, subject: "d") }
            #expect(decoded.entries.map(\.name) == entries.map(\.name))
            #expect(decoded.entries.allSatisfy { $0.handle == nil && $0.attributes == nil })
            for length in 0..<plus.count {
                #expect(throws: NFSError(malformed: .readDirPlus, "d")) {
                    try plus.prefix(length).withUnsafeBytes { try NFS.ReadDirPlus.decode($0, subject: "d") }
                }
            }
            for index in plus.indices {
                var changed = plus
                changed[index] ^= 0x81
                _ = try? changed.withUnsafeBytes { try NFS.ReadDirPlus.decode($0, subject: "d") }
            }
        }
    }

    @Test func aFailureIsThatStatus() throws {
        let bytes = try DirectoryListing.encode(.badCookie, Sample.attributes)
        #expect(throws: NFSError(.badCookie, .readDir, "d")) {
            try bytes.withUnsafeBytes { try NFS.ReadDir.decode($0, subject: "d") }
        }
    }

    /// rpcgen's own routine would need a stack frame for each of these.
    @Test func aVeryLongListIsNoDeepRecursion() throws {
        let many = (0..<200_000).map { DirectoryEntry(fileID: UInt64($0), name: "x", cookie: UInt64($0)) }
        let listing = DirectoryListing(attributes: nil, verifier: 0, entries: many, endOfDirectory: false)
        let bytes = try listing.encode(plus: false)
        #expect(try bytes.withUnsafeBytes { try NFS.ReadDir.decode($0, subject: "d") }.entries.count == many.count)
    }
}
