import CLinux
import Glibc
import TestSupport
import Testing

/// What programs do with names, links, modes, times and kinds of files, in a mount.
@Suite(.inPeerLab) struct MetadataTests {
    @Test func linksHardAndSymbolic() throws {
        try withMount { site in
            let (here, there) = (site.mountPoint, site.data)
            try write("one", to: here + "/a")
            mkdir(here + "/dir", 0o755)
            #expect(link(here + "/a", here + "/dir/b") == 0)
            #expect(link(here + "/a", here + "/dir/b") == -1 && errno == EEXIST)
            #expect(link(here + "/dir", here + "/c") == -1 && errno == EPERM)
            let (a, b) = (try status(of: here + "/a"), try status(of: here + "/dir/b"))
            #expect(a.st_ino == b.st_ino && a.st_nlink == 2 && b.st_nlink == 2)
            #expect(try status(of: there + "/a").st_ino == a.st_ino)
            try write("two", to: here + "/dir/b")
            #expect(contents(of: here + "/a") == "two" && contents(of: there + "/a") == "two")
            #expect(unlink(here + "/a") == 0)
            #expect(contents(of: here + "/dir/b") == "two")
            #expect(try status(of: here + "/dir/b").st_nlink == 1)

            for target in ["dir/b", "../elsewhere", "/absolute", String(repeating: "t", count: 1000)] {
                #expect(symlink(target, here + "/link") == 0)
                for place in [here, there] {
                    #expect(try Tree(place).entries["/link"]?.target == target)
                }
                if target == "dir/b" { #expect(contents(of: here + "/link") == "two") }
                #expect(unlink(here + "/link") == 0)
            }
            #expect(symlink("x", here + "/dir") == -1 && errno == EEXIST)
        }
    }

    /// NFSv3 has no open files: the client renames what is removed while it is open, and removes it when it is closed.
    @Test func filesThatAreOpenOutliveTheirNames() throws {
        try withMount { site in
            let here = site.mountPoint
            try write("old", to: here + "/target")
            try write("new", to: here + "/source")
            let target = open(here + "/target", O_RDWR | O_CLOEXEC)
            try #require(target >= 0)
            #expect(rename(here + "/source", here + "/target") == 0)
            #expect(contents(of: here + "/target") == "new" && contents(of: site.data + "/target") == "new")
            #expect(try text(of: target, 3) == "old")
            #expect(pwrite(target, "more", 4, 3) == 4 && fsync(target) == 0)
            #expect(try text(of: target, 7) == "oldmore")
            #expect(names(in: site.data).count == 2, "the old file has a name of the client's")

            let removed = open(here + "/removed", O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
            #expect(unlink(here + "/removed") == 0 && access(here + "/removed", F_OK) == -1)
            #expect(pwrite(removed, "text", 4, 0) == 4 && fsync(removed) == 0)
            #expect(try text(of: removed, 4) == "text")
            var state = stat()
            #expect(fstat(removed, &state) == 0 && state.st_size == 4)
            close(removed)
            close(target)
            // The client does it in its own time.
            #expect(eventually { names(in: site.data) == ["target"] }, "\(names(in: site.data))")

            // A file that is open and moves to another directory stays the same one.
            mkdir(here + "/dir", 0o755)
            let moved = open(here + "/target", O_RDWR | O_CLOEXEC)
            #expect(rename(here + "/target", here + "/dir/moved") == 0)
            #expect(pwrite(moved, "N", 1, 0) == 1 && close(moved) == 0)
            #expect(contents(of: site.data + "/dir/moved") == "New")
        }
    }

    private func text(of file: Int32, _ count: Int) throws -> String {
        var buffer = [UInt8](repeating: 0, count: count)
        let got = pread(file, &buffer, count, 0)
        guard got >= 0 else { throw Unexpected("pread: errno \(errno)") }
        return String(decoding: buffer.prefix(got), as: UTF8.self)
    }

    @Test func renamesOfDirectories() throws {
        try withMount { site in
            let here = site.mountPoint
            try shell("mkdir -p a/b c/d && echo text >a/b/file", in: here)
            #expect(rename(here + "/a", here + "/c/a") == 0)
            #expect(contents(of: site.data + "/c/a/b/file") == "text\n")
            #expect(rename(here + "/c", here + "/c/a/below") == -1 && errno == EINVAL)
            #expect(rename(here + "/c/a", here + "/c/d") == 0, "an empty directory is replaced")
            mkdir(here + "/full", 0o755)
            #expect(rename(here + "/full", here + "/c/d") == -1 && [ENOTEMPTY, EEXIST].contains(errno))
            #expect(rmdir(here + "/c/d") == -1 && [ENOTEMPTY, EEXIST].contains(errno))
            #expect(unlink(here + "/full") == -1 && errno == EISDIR)
            #expect(rmdir(here + "/c/d/b/file") == -1 && errno == ENOTDIR)
            let long = String(repeating: "n", count: 256)
            #expect(mkdir(here + "/" + long, 0o755) == -1 && errno == ENAMETOOLONG)
            try shell("rm -rf c full", in: here)
            #expect(names(in: site.data).isEmpty)
        }
    }

    @Test func modesOwnersAndTimes() throws {
        try withMount { site in
            let (here, there) = (site.mountPoint, site.data)
            try write("text", to: here + "/file")
            for mode: mode_t in [0o000, 0o400, 0o644, 0o751, 0o1777, 0o2755, 0o4711, 0o6777] {
                #expect(chmod(here + "/file", mode) == 0)
                for place in [here, there] { #expect(try status(of: place + "/file").st_mode & 0o7777 == mode) }
            }
            #expect(chown(here + "/file", 1234, 4321) == 0)
            let owned = try status(of: there + "/file")
            #expect(owned.st_uid == 1234 && owned.st_gid == 4321)
            #expect(owned.st_mode & 0o6000 == 0, "chown takes the set-ID bits away")

            // NFSv3 has 32 bits of seconds; the client takes the fraction away from the very last one.
            for (seconds, nanoseconds) in [(0, 0), (1, 999_999_999), (1_234_567_890, 123_456_789), (4_294_967_294, 1)] {
                let times = [
                    timespec(tv_sec: seconds, tv_nsec: nanoseconds), timespec(tv_sec: seconds, tv_nsec: nanoseconds),
                ]
                #expect(utimensat(AT_FDCWD, here + "/file", times, 0) == 0)
                for place in [here, there] {
                    let status = try status(of: place + "/file")
                    #expect(status.st_mtim.tv_sec == seconds && status.st_mtim.tv_nsec == nanoseconds)
                    #expect(status.st_atim.tv_sec == seconds && status.st_atim.tv_nsec == nanoseconds)
                }
            }
            // The access time alone, and the server's own time.
            let some = [timespec(tv_sec: 5, tv_nsec: 6), timespec(tv_sec: 0, tv_nsec: 0x3fff_fffe)]  // UTIME_OMIT
            #expect(utimensat(AT_FDCWD, here + "/file", some, 0) == 0)
            let one = try status(of: there + "/file")
            #expect(one.st_atim.tv_sec == 5 && one.st_atim.tv_nsec == 6 && one.st_mtim.tv_sec == 4_294_967_294)
            try shell("touch file && touch -d '2001-02-03 04:05:06.789' dated && test file -nt dated", in: here)
            #expect(try status(of: there + "/dated").st_mtim.tv_nsec == 789_000_000)
            #expect(abs(try status(of: there + "/file").st_mtim.tv_sec - time(nil)) < 60)

            // A directory's set-group-ID bit gives its group to what is made in it.
            mkdir(here + "/shared", 0o755)
            #expect(chown(here + "/shared", 0, 4321) == 0 && chmod(here + "/shared", 0o2775) == 0)
            try write("", to: here + "/shared/file")
            mkdir(here + "/shared/dir", 0o755)
            #expect(try status(of: there + "/shared/file").st_gid == 4321)
            #expect(try status(of: there + "/shared/dir").st_mode & 0o2000 != 0)
        }
    }

    /// Each process in the mount acts as its own user, by its AUTH_SYS credential.
    @Test func everybodyHasTheirOwnRights() throws {
        try withMount { site in
            let here = site.mountPoint
            try write("mine", to: here + "/private", mode: 0o600)
            try write("ours", to: here + "/group", mode: 0o640)
            chown(here + "/group", 0, 4321)
            mkdir(here + "/open", 0o1777)
            chmod(here + "/open", 0o1777)
            try write("root's", to: here + "/open/root")
            func asUser(_ script: String, _ groups: String = "--clear-groups") throws -> Ended {
                try RunningProgram(
                    ["setpriv", "--reuid", "1234", "--regid", "1234"] + groups.split(separator: " ").map(String.init)
                        + ["bash", "-c", script], directory: here
                ).wait()
            }
            #expect(try asUser("cat private").error.contains("Permission denied"))
            #expect(try asUser("cat group").error.contains("Permission denied"))
            #expect(try asUser("cat group", "--groups 99,4321").output == "ours")
            #expect(try asUser("echo x >group", "--groups 4321").error.contains("Permission denied"))
            #expect(try asUser("echo x >new").error.contains("Permission denied"))
            expectDone(try asUser("echo x >open/new && mkdir open/dir && ln -s x open/link && mv open/new open/newer"))
            #expect(try asUser("rm -f open/root").error.contains("Operation not permitted"))
            #expect(try asUser("chmod 777 group; chown 1234 open/root").error.contains("Operation not permitted"))
            for name in ["newer", "dir", "link"] {
                let status = try status(of: "\(site.data)/open/\(name)")
                #expect(status.st_uid == 1234 && status.st_gid == 1234, "\(name)")
            }
        }
    }

    @Test func fifosSocketsAndDevices() throws {
        try withMount { site in
            let (here, there) = (site.mountPoint, site.data)
            // Both ends are this machine's: a FIFO on NFS is one to each client.
            let said = try shell(
                "mkfifo -m 640 pipe && (echo through >pipe & cat <pipe) && mknod null c 1 3 && mknod block b 259 70000",
                in: here)
            #expect(said == "through\n")
            let socket = Glibc.socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
            let before = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
            defer { close(before) }
            var address = sockaddr_un()
            address.sun_family = sa_family_t(AF_UNIX)
            // Bound by a name of its own directory: a path has room for 107 bytes.
            #expect(chdir(here) == 0)
            withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: Array("socket".utf8)) }
            let bound = withUnsafeBytes(of: &address) {
                bind(socket, $0.assumingMemoryBound(to: sockaddr.self).baseAddress, socklen_t($0.count))
            }
            #expect(fchdir(before) == 0)
            #expect(bound == 0)
            close(socket)
            for (name, type) in [("pipe", S_IFIFO), ("null", S_IFCHR), ("block", S_IFBLK), ("socket", S_IFSOCK)] {
                for place in [here, there] {
                    #expect(try status(of: "\(place)/\(name)").st_mode & S_IFMT == type, "\(place)/\(name)")
                }
            }
            #expect(try status(of: there + "/pipe").st_mode & 0o7777 == 0o640)
            for place in [here, there] {
                let null = try status(of: place + "/null").st_rdev
                #expect(clinux_major(UInt64(null)) == 1 && clinux_minor(UInt64(null)) == 3)
                let block = try status(of: place + "/block").st_rdev
                #expect(clinux_major(UInt64(block)) == 259 && clinux_minor(UInt64(block)) == 70_000)
            }
            // It is the client's device: nothing of the server's is opened.
            try shell("echo gone >null && rm pipe null block socket", in: here)
            #expect(names(in: there).isEmpty)
        }
    }

    /// Sizes and free space are the exported file system's.
    @Test func freeSpaceIsTheServers() throws {
        try withMount { site in
            var (mounted, served) = (statvfs(), statvfs())
            #expect(statvfs(site.mountPoint, &mounted) == 0 && statvfs(site.data, &served) == 0)
            let sizes = [mounted, served].map { UInt64($0.f_blocks) * UInt64($0.f_frsize) }
            // The client counts in blocks of its own.
            #expect(sizes[0] >= sizes[1] && sizes[0] - sizes[1] < UInt64(mounted.f_frsize), "\(sizes)")
            #expect(mounted.f_files == served.f_files && mounted.f_namemax == 255)
            let line = try shell("df --output=source,fstype,size -B1 .", in: site.mountPoint).split(separator: "\n")
                .last
            #expect(line?.hasPrefix("localhost:/data") == true && line?.contains("nfs") == true)
            #expect(line?.hasSuffix(" \(sizes[0])") == true)
        }
    }

    /// Beyond what 32 bits hold, with nothing but a few blocks on the disk.
    @Test func filesBeyondFourGiB() throws {
        try withMount { site in
            let path = site.mountPoint + "/huge"
            let file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
            try #require(file >= 0)
            let places = [0, 1 << 31, (1 << 32) - 3, (1 << 32) + 5, 5 << 30, (1 << 40) + 7]
            for (index, place) in places.enumerated() {
                let bytes = pattern(1000, seed: UInt64(index))
                #expect(pwrite(file, bytes, 1000, place) == 1000, "at \(place): errno \(errno)")
            }
            #expect(fsync(file) == 0)
            close(file)
            expectDone(try site.unmount())
            expectDone(try site.mount())
            for side in [path, site.data + "/huge"] {
                let file = open(side, O_RDONLY | O_CLOEXEC)
                defer { close(file) }
                var buffer = [UInt8](repeating: 0, count: 1000)
                // The end of the first lies where the second begins.
                for (index, place) in places.enumerated() where place != (1 << 32) - 3 {
                    #expect(pread(file, &buffer, 1000, place) == 1000)
                    #expect(buffer == pattern(1000, seed: UInt64(index)), "\(side) at \(place)")
                }
                #expect(try status(of: side).st_size == (1 << 40) + 1007)
            }
            #expect(truncate(path, (1 << 32) + 1) == 0)
            #expect(try status(of: site.data + "/huge").st_size == (1 << 32) + 1)
        }
    }
}
