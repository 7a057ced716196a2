import Glibc
import Kernel
import NFS
import RPC
import Testing

@testable import FileServer

/// READFILES of xfer.x.
@Suite struct XferReadFilesTests {
    private static let limit = Xfer.fileDataLimit

    private func text(_ count: Int, _ first: UInt8 = 97) -> String {
        String(decoding: (0..<count).map { first &+ UInt8($0 % 26) }, as: UTF8.self)
    }

    /// A fixture with files of these sizes, and their handles.
    private func files(_ sizes: [Int]) throws -> (Fixture, [FileHandle]) {
        let f = try Fixture.forXfer()
        let handles = try sizes.enumerated().map { index, size in
            try f.directory.write("\(index)", text(size, UInt8(65 + index % 26)))
            return try f.lookup(FileName("\(index)"))
        }
        return (f, handles)
    }

    @Test func inTheOrderOfTheCall() throws {
        let sizes = [0, 1, 4096, Self.limit, Self.limit + 1]
        let (f, handles) = try files(sizes)
        let order = [2, 4, 0, 3, 1, 2, 0]
        let found = try f.readFiles(order.map { handles[$0] })
        #expect(found.count == order.count)
        for (index, file) in zip(order, found) {
            if sizes[index] > Self.limit {
                #expect(file == .init(status: .fileTooBig, data: [], attributes: nil))
                continue
            }
            #expect(file.status == .ok && file.attributes?.size == UInt64(sizes[index]))
            var attributes = try f.attributes(handles[index])
            // Read again since.
            attributes.accessTime = file.attributes?.accessTime ?? attributes.accessTime
            #expect(file.attributes == attributes)
            #expect(try String(decoding: file.data, as: UTF8.self) == f.directory.read("\(index)"))
        }
        #expect(try f.readFiles([]) == [])
    }

    /// What fits to the last byte, and then no more: the rest is asked for again.
    @Test func noMoreThanACallMayHave() throws {
        let (f, handles) = try files([Self.limit, Self.limit, Self.limit, Self.limit - 1, 1, 1, 0])
        #expect(try f.readFiles(handles).map(\.data.count) == [Self.limit, Self.limit, Self.limit, Self.limit - 1, 1])
        #expect(try f.readFiles(Array(handles[5...])).map(\.data.count) == [1, 0])
        let largest = try f.readFiles(Array(repeating: handles[0], count: Xfer.filesLimit))
        #expect(largest.map(\.data.count) == Array(repeating: Self.limit, count: 4))
        let many = try f.readFiles(Array(repeating: handles[4], count: Xfer.filesLimit))
        #expect(many.count == Xfer.filesLimit)
    }

    /// What cannot be read keeps no other from it.
    @Test func badOnesAmongGoodOnes() throws {
        let (f, handles) = try files([3, 4])
        let directory = try f.makeDirectory("directory")
        symlink("0", f.path("link"))
        // Nobody writes to it: to read it would take for ever.
        mkfifo(f.path("fifo"), 0o644)
        let gone = try f.create("gone")
        unlink(f.path("gone"))
        let stranger = try Fixture.forXfer()
        let other = try Directory(in: Directory.memory)
        try other.write("0", "another's")
        try f.server.reload(
            f.server.exports.compactMap(\.current)
                + [try Export(name: "/other", directory: other.path, options: .forReading)])
        let mounted = try #require(try f.mount.mnt("/other")).root
        let bad: [(FileHandle, NFSStatus)] = [
            (directory, .invalid), (try f.lookup("link"), .invalid), (try f.lookup("fifo"), .invalid), (gone, .stale),
            (try stranger.create("0"), .badHandle), (try f.lookup("0", in: mounted), .crossDevice),
        ]
        let found = try f.readFiles([handles[0]] + bad.flatMap { [$0.0, handles[1]] })
        #expect(found.count == 1 + 2 * bad.count && found.first?.data.count == 3)
        for (index, (_, status)) in bad.enumerated() where found.count == 1 + 2 * bad.count {
            #expect(found[1 + 2 * index] == .init(status: status, data: [], attributes: nil))
            #expect(found[2 + 2 * index].data.count == 4)
        }
        // The export is that of the call's object, whatever is asked for.
        #expect(try f.readFiles([handles[0]], object: mounted).map(\.status) == [.crossDevice])
        #expect(try f.readFiles([f.lookup("0", in: mounted)], object: mounted).map(\.status) == [.ok])
        let call = try Xfer.ReadFiles.encode(.init(gone, [handles[0]]))
        #expect(f.answer(.readFiles, call).status == .ok)
        let foreign = try Xfer.ReadFiles.encode(.init(stranger.root, [handles[0]]))
        #expect(f.answer(.readFiles, foreign).status == .badHandle)
    }

    @Test func readOnly() throws {
        let f = try Fixture.forXfer { $0.readOnly = true }
        try f.directory.write("file", "text")
        #expect(try f.readFiles([f.lookup("file")]).map(\.data) == [Array("text".utf8)])
    }

    /// Who may not read a file gets nothing of it, although the server itself may.
    @Test(Need.callers) func rights() throws {
        let f = try Fixture.forXfer { $0.squash = .root }
        let names: [(FileName, mode_t, uid_t)] = [
            ("everybody's", 0o644, 0), ("root's", 0o600, 0), ("hers", 0o400, 1001), ("nobody's", 0o400, 65534),
        ]
        let handles = try names.map { name, mode, owner in
            try f.directory.write(name.description, "x", mode: mode)
            chown(f.path(name.description), owner, owner)
            return try f.lookup(name)
        }
        func statuses(_ f: Fixture) throws -> [NFSStatus] { try f.readFiles(handles).map(\.status) }
        #expect(try statuses(f.acting(as: Users.ada)) == [.ok, .accessDenied, .ok, .accessDenied])
        #expect(try statuses(f.acting(as: Users.eve)) == [.ok, .accessDenied, .accessDenied, .accessDenied])
        #expect(try statuses(f.acting(as: Users.root)) == [.ok, .accessDenied, .accessDenied, .ok])
    }

    /// Thousands of small files would push those out of the cache that are read over and over.
    @Test func nothingStaysOpen() throws {
        let (state, directory) = (try Directory(in: Directory.memory), try Directory(in: Directory.memory))
        func server() throws -> Fixture {
            try Fixture(options: .forWriting, directory: directory, state: state.path)
        }
        try directory.write("file", "text")
        let handle = try server().lookup("file")
        let f = try server()
        #expect(try f.readFiles([handle, handle]).map(\.data) == [Array("text".utf8), Array("text".utf8)])
        #expect(f.server.cache[handle] == nil)
        // One that is open already is taken as it is.
        _ = try f.read(handle)
        #expect(try f.readFiles([handle]).map(\.status) == [.ok] && f.server.cache[handle] != nil)
    }

    @Test func moreThanItTakes() throws {
        let (f, handles) = try files([1])
        var call = try Xfer.ReadFiles.encode(.init(f.root, handles))
        call += [0, 0, 0, 0]
        guard case .garbageArguments = f.answer(.readFiles, call) else {
            Issue.record("bytes left over")
            return
        }
    }
}
