import Glibc
import TestSupport
import Testing

/// `xfer stat`.
@Suite(.notInTheLab)
struct StatCommandTests {
    @Test(arguments: Layer.available) func allAttributes(layer: Layer) throws {
        try withSite(layer) { site in
            let path = site.data + "/f"
            try write(pattern(12345), to: path)
            chmod(path, 0o4751)
            let times = [
                timespec(tv_sec: 1_000_000_000, tv_nsec: 5), timespec(tv_sec: 1_100_000_000, tv_nsec: 123_456_789),
            ]
            utimensat(AT_FDCWD, path, times, 0)
            link(path, site.data + "/g")
            symlink("f", site.data + "/l")
            let there = try status(of: path)
            let ended = try site.start("stat", ["localhost:/data/f", "localhost:/data/l"], environment: ["TZ=UTC"])
                .wait()
            expectDone(ended)
            for word in [
                "  File: localhost:/data/f\n", "Type: regular file",
                "Size: 12345  Used: \(there.st_blocks * 512)  Links: 2",
                "ID: file \(there.st_ino) ", "Access: 4751 -rwsr-x--x  Uid: \(there.st_uid)  Gid: \(there.st_gid)",
                "Access: 2001-09-09 01:46:40.000000005 +0000", "Modify: 2004-11-09 11:33:20.123456789 +0000",
                "  File: localhost:/data/l -> f\n", "Type: symbolic link",
            ] { #expect(ended.output.contains(word), "\(word): \(ended)") }
            let json = try site.xfer("stat", "--json", "localhost:/data/f", "localhost:/data/none", "localhost:/data/l")
            expectFailure(json, status: 3, "/data/none")
            let lines = json.output.split(separator: "\n")
            #expect(lines.count == 2)
            #expect(lines[0].hasPrefix(#"{"path":"localhost:/data/f","type":"regular file","mode":"4751","nlink":2,"#))
            #expect(lines[0].contains(#""mtime":"2004-11-09T11:33:20.123456789Z""#), "\(lines)")
            #expect(lines[1].hasSuffix(#","target":"f"}"#))
        }
    }

    @Test func theFileSystem() throws {
        try withSite(.user) { site in
            var numbers = statvfs()
            statvfs(site.data, &numbers)
            let total = numbers.f_blocks * UInt(numbers.f_frsize)
            let text = try site.xfer("stat", "-f", "localhost:/data")
            expectDone(text)
            #expect(text.output.contains(" Bytes: total \(total) ("), "\(text)")
            let json = try site.xfer("stat", "-f", "--json", "localhost:/data")
            expectDone(json)
            #expect(json.output.contains(#""tbytes":\#(total),"fbytes":"#) && json.output.contains(#""name_max":255"#))
            #expect(json.output.contains(#""rtmax":"#), "\(json)")
        }
    }
}
