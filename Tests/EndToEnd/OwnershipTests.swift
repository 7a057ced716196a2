import Glibc
import TestSupport
import Testing

/// Root pushes to an export that takes root for nobody: owners cannot be kept, the rest is.
@Suite(.notInTheLab, .enabled(if: geteuid() == 0, "only root keeps owners without being asked"))
struct OwnershipTests {
    @Test(arguments: [["put", "-a"], ["put", "-a", "-o", "noxfer"], ["sync"], ["sync", "-o", "noxfer"]])
    func impliedOwnersAreGivenUpWhereTheyAreRefused(command: [String]) throws {
        try withSite { site in
            let arguments = Array(command.dropFirst()) + ["tree", "localhost:/drop"]
            let ended = try site.start(command[0], arguments).wait()
            expectDone(ended)
            #expect(ended.error.contains("owners were not kept"), "\(ended)")
            for name in ["small", "large", "dir/link"] {
                #expect(try status(of: "\(site.dropped)/tree/\(name)").st_uid == 65534)
            }
            // Never a program that runs as its owner, who is another one now.
            #expect(try status(of: site.dropped + "/tree/small").st_mode & 0o7777 == 0o755)
            #expect(try status(of: site.dropped + "/tree/small").st_mtim.tv_sec == 1_000_000_000)
            expectFile(site.dropped + "/tree/large", pattern(1 << 20, seed: 1))
        }
    }

    /// What is the same but for owners that cannot be kept is not touched each time.
    @Test func nothingIsLeftToDoWhereOwnersAreRefused() throws {
        try withSite { site in
            expectDone(try site.xfer("sync", "tree", "localhost:/drop"))
            let names = ["small", "large", "dir/link"]
            let before = try names.map { try status(of: "\(site.dropped)/tree/\($0)").st_ctim }
            let again = try site.start("sync", ["-i", "tree", "localhost:/drop"]).wait()
            expectDone(again)
            #expect(!again.output.contains("small") && !again.output.contains("large"), "\(again)")
            let after = try names.map { try status(of: "\(site.dropped)/tree/\($0)").st_ctim }
            for (name, (before, after)) in zip(names, zip(before, after)) {
                #expect(before.tv_sec == after.tv_sec && before.tv_nsec == after.tv_nsec, "\(name) was touched")
            }
        }
    }

    @Test func ownersThatAreAskedForAreInsistedOn() throws {
        try withSite { site in
            let ended = try site.start("put", ["-a", "--owner", "tree", "localhost:/drop"]).wait()
            #expect(ended.status != 0)
            #expect(ended.error.contains("small") && ended.error.contains("NFS3ERR_PERM"), "\(ended)")
        }
    }

    private func withSite(_ body: (Site) throws -> Void) throws {
        let drop = try Directory(in: "/dev/shm")
        chmod(drop.path, 0o777)
        var setup = Site.Setup()
        setup.xferd = ["--export", "/drop=\(drop.path),rw"]
        try EndToEndTests.withSite(.user, setup) { site in
            symlink(drop.path, site.dropped)
            mkdir(site.local + "/tree", 0o755)
            mkdir(site.local + "/tree/dir", 0o755)
            try write("text", to: site.local + "/tree/small")
            chmod(site.local + "/tree/small", 0o4755)
            try write(pattern(1 << 20, seed: 1), to: site.local + "/tree/large")
            symlink("../small", site.local + "/tree/dir/link")
            let times = [timespec(tv_sec: 1_000_000_000, tv_nsec: 0), timespec(tv_sec: 1_000_000_000, tv_nsec: 0)]
            utimensat(AT_FDCWD, site.local + "/tree/small", times, 0)
            try body(site)
        }
    }
}

extension Site {
    /// Where `/drop` is.
    fileprivate var dropped: String { directory.path + "/dropped" }
}
