import Glibc
import TestSupport
import Testing

/// `xfer put -`: a file of what comes out of a pipe, whole or not at all; `xfer get … -`: the other way.
@Suite struct StandardInputTests {
    /// xfer behind a shell command: `$XFER put` with the options that it needs stands for `xfer put`.
    private func shell(_ command: String, _ site: Site) throws -> RunningProgram {
        let xfer = "\(Programs.path("xfer"))"
        let options = "--record-layer \(site.layer.rawValue) -o port=\(site.port) -o \(site.credentials)"
        return try RunningProgram(
            ["/bin/bash", "-c", command.replacing("XFER", with: xfer).replacing("OPTIONS", with: options)],
            environment: ["HOME=\(site.directory.path)/home", "PATH=/usr/bin:/bin"], directory: site.local)
    }

    @Test(arguments: Layer.available, [0, 1, 8 << 20, (20 << 20) + 12345])
    func whatComesIsThere(layer: Layer, count: Int) throws {
        try withSite(layer) { site in
            let content = pattern(count, seed: 9)
            try write(content, to: site.local + "/f")
            try write("old", to: site.data + "/copy")
            expectDone(try shell("cat f | XFER put OPTIONS - localhost:/data/copy", site).wait())
            expectFile(site.data + "/copy", content)
            #expect(names(in: site.data) == ["copy"])
            // Not a pipe, and a new name.
            expectDone(try shell("XFER put OPTIONS - localhost:/data/new < f", site).wait())
            expectFile(site.data + "/new", content)
            expectDone(try shell("XFER get OPTIONS localhost:/data/copy - > g", site).wait())
            expectFile(site.local + "/g", content)
        }
    }

    /// More than is kept in memory, and the name has what was there until the input has ended.
    @Test(.notInTheLab) func theNameHasTheOldFileUntilTheEnd() throws {
        try withSite(.user) { site in
            let content = LargePattern(count: 100 << 20)
            try content.write(to: site.local + "/f")
            try write("old", to: site.data + "/copy")
            mkfifo(site.local + "/more", 0o600)
            let put = try shell("cat f more | XFER put OPTIONS - localhost:/data/copy", site)
            try underWay(site.data, beyond: 64 << 20, put)
            #expect(contents(of: site.data + "/copy") == "old")
            try write("the end", to: site.local + "/more")
            expectDone(try put.wait())
            #expect(try content.difference(from: site.data + "/copy", ending: Array("the end".utf8)) == nil)
        }
    }

    @Test(.notInTheLab) func interruptedWhileNothingComes() throws {
        try withSite(.user) { site in
            let content = pattern(9 << 20, seed: 9)
            // Held open, so that the input does not end; opened for both, so that nothing waits for the other end.
            mkfifo(site.local + "/never", 0o600)
            let never = open(site.local + "/never", O_RDWR | O_CLOEXEC)
            defer { close(never) }
            let put = try shell("exec XFER put OPTIONS - localhost:/data/copy < never", site)
            var left = content[...]
            while !left.isEmpty {
                let count = left.withUnsafeBytes { Glibc.write(never, $0.baseAddress, $0.count) }
                try #require(count > 0)
                left = left.dropFirst(count)
            }
            try underWay(site.data, beyond: 4 << 20, put)
            put.signal(SIGINT)
            let ended = try put.wait()
            expectFailure(ended, status: 130, "interrupted")
            // A pipe is not read twice.
            #expect(!ended.error.contains("same command"))
            #expect(names(in: site.data) == [])
        }
    }

    /// The server is killed in the middle: what it had not committed comes out of memory, not out of the pipe.
    @Test(.notInTheLab) func aServerThatRestarts() throws {
        let site = try KillSite(.user)
        let content = pattern(48 << 20, seed: 4)
        try write(content, to: site.local + "/f")
        let whole = try site.xfer("put", ["--limit", "16M", "-", "localhost:/data/copy"], input: site.local + "/f")
        try underWay(site.data, beyond: 10 << 20, whole)
        try site.restart(.xferd)
        expectDone(try whole.wait())
        expectFile(site.data + "/copy", content)
        #expect(names(in: site.data) == ["copy"])
        try site.stop()
    }

    @Test(.notInTheLab) func whatIsRefused() throws {
        try withSite(.user) { site in
            expectFailure(try site.xfer("put", "-r", "-", "localhost:/data/f"), status: 2, "standard input")
            expectFailure(try site.xfer("put", "-", "x", "localhost:/data"), status: 2, "standard input")
            expectFailure(try site.xfer("put", "-", "localhost:/data"), "a name in it")
            expectFailure(try site.xfer("put", "-", "localhost:/public/f"), "/public/f")
            mkfifo(site.data + "/fifo", 0o600)
            expectFailure(try site.xfer("put", "-", "localhost:/data/fifo"), "not a regular file")
            #expect(names(in: site.data) == ["fifo"])
        }
    }

    /// A directory cannot be read.
    @Test(.notInTheLab) func inputThatFails() throws {
        try withSite(.user) { site in
            try write("old", to: site.data + "/f")
            expectFailure(
                try shell("XFER put OPTIONS - localhost:/data/f < .", site).wait(), "standard input: Is a directory")
            #expect(contents(of: site.data + "/f") == "old")
            #expect(names(in: site.data) == ["f"])
        }
    }
}
