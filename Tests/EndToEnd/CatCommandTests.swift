import Glibc
import TestSupport
import Testing

/// `xfer cat`.
@Suite struct CatCommandTests {
    /// A pipe with a name that xfer writes to, and that is read when a test wants it.
    private final class SlowReader {
        let path: String
        let descriptor: Int32

        init(_ site: Site) throws {
            path = site.local + "/pipe"
            guard mkfifo(path, 0o600) == 0 else { throw Unexpected("mkfifo") }
            descriptor = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC)
            guard descriptor >= 0 else { throw Unexpected("open \(path)") }
        }

        deinit { close(descriptor) }

        /// Bytes that wait in it.
        var waiting: Int { bytesWaiting(in: descriptor) }

        /// Waits until it takes no more; of its 16 pages one may have few bytes.
        func fills() throws {
            guard eventually(within: 30, { waiting > 60000 }) else { throw Unexpected("only \(waiting) bytes came") }
        }

        func read(_ count: Int) throws -> [UInt8] {
            _ = fcntl(descriptor, F_SETFL, 0)
            var all: [UInt8] = []
            var buffer = [UInt8](repeating: 0, count: 1 << 16)
            while all.count < count {
                let got = Glibc.read(descriptor, &buffer, min(buffer.count, count - all.count))
                if got <= 0 { break }
                all += buffer.prefix(got)
            }
            return all
        }

        /// - Returns: bytes that came, which are not kept.
        func skip(_ count: Int) throws -> Int {
            var done = 0
            while done < count {
                let got = try read(min(count - done, 1 << 20)).count
                if got == 0 { break }
                done += got
            }
            return done
        }
    }

    private func start(_ site: Site, into reader: SlowReader, _ arguments: String...) throws -> RunningProgram {
        try RunningProgram(
            [
                "sh", "-c", #"out=$0; exec "$@" > "$out""#, reader.path, Programs.path("xfer"), "cat", "--record-layer",
                site.layer.rawValue, "-o", "port=\(site.port),\(site.credentials)",
            ] + arguments, directory: site.local)
    }

    /// A file's bytes by way of a shell, which keeps them as they are.
    private func cat(_ site: Site, _ arguments: [String]) throws -> (bytes: [UInt8]?, ended: Ended) {
        let out = site.local + "/out"
        let ended = try RunningProgram(
            [
                "sh", "-c", #"out=$0; exec "$@" > "$out""#, out, Programs.path("xfer"), "cat", "--record-layer",
                site.layer.rawValue, "-o", "port=\(site.port),\(site.credentials)",
            ] + arguments
        ).wait()
        return (bytes(of: out), ended)
    }

    @Test(arguments: Layer.available) func filesAndPartsOfThem(layer: Layer) throws {
        try withSite(layer) { site in
            let contents = pattern((20 << 20) + 17)
            try write(contents, to: site.data + "/big")
            try write("end\n", to: site.data + "/small")
            try write("", to: site.data + "/empty")
            let big = "localhost:/data/big"
            let (all, ended) = try cat(site, [big, "localhost:/data/empty", "localhost:/data/small"])
            expectDone(ended)
            #expect(all == contents + Array("end\n".utf8))
            for (arguments, expected) in [
                (["--offset", "1048570", "--length", "3000000"], contents[1_048_570..<4_048_570]),
                (["-r", "5-5"], contents[5...5]), (["-r", "20971500-"], contents[20_971_500...]),
                (["--range", "-100"], contents.suffix(100)), (["--tail", "70000"], contents.suffix(70000)),
                (["--length", "0"], []), (["--offset", "99999999999"], []),
            ] {
                let (part, ended) = try cat(site, arguments + [big])
                expectDone(ended)
                #expect(part == Array(expected), "\(arguments)")
            }
        }
    }

    @Test(arguments: Layer.available) func whatIsNoFileIsNamedAndTheRestGoesOn(layer: Layer) throws {
        try withSite(layer) { site in
            try write("x", to: site.data + "/f")
            mkdir(site.data + "/dir", 0o755)
            symlink("f", site.data + "/link")
            let ended = try site.xfer(
                "cat", "localhost:/data/dir", "localhost:/data/link", "localhost:/data/none", "localhost:/data/f")
            expectFailure(ended, status: 3, "/data/dir: is a directory", "/data/link: is a symbolic link", "/data/none")
            #expect(ended.output == "x")
            expectFailure(try site.xfer("cat", "localhost:/data/dir"), status: 1, "is a directory")
        }
    }

    /// Whoever reads slowly has xfer read slowly: memory holds a window of the file.
    @Test(arguments: Layer.available) func aSlowReader(layer: Layer) throws {
        try withSite(layer) { site in
            let size = Layer.isLab ? 128 << 20 : 256 << 20
            try sparse(site.data + "/big", size)
            let reader = try SlowReader(site)
            let program = try start(site, into: reader, "localhost:/data/big")
            try reader.fills()
            #expect(try reader.skip(size - (1 << 20)) == size - (1 << 20))
            let peak = try #require(program.peakKiB)
            #expect(peak > 1000 && peak < 80 << 10, "\(peak) KiB")
            #expect(try reader.read(1 << 20).count == 1 << 20)
            expectDone(try program.wait())
        }
    }

    @Test(arguments: Layer.available) func aFileThatChangesMeanwhile(layer: Layer) throws {
        try withSite(layer) { site in
            try sparse(site.data + "/big", 64 << 20)
            let reader = try SlowReader(site)
            let program = try start(site, into: reader, "localhost:/data/big")
            try reader.fills()
            let file = open(site.data + "/big", O_WRONLY | O_CLOEXEC)
            #expect(Glibc.pwrite(file, "x", 1, 40 << 20) == 1)
            close(file)
            #expect(try reader.skip(64 << 20) == 64 << 20)
            expectFailure(try program.wait(), "/data/big: changed while it was read")
        }
    }

    @Test(arguments: Layer.available) func aFileThatIsCutShortMeanwhile(layer: Layer) throws {
        try withSite(layer) { site in
            try sparse(site.data + "/big", 64 << 20)
            let reader = try SlowReader(site)
            let program = try start(site, into: reader, "localhost:/data/big")
            try reader.fills()
            truncate(site.data + "/big", 40 << 20)
            #expect(try reader.skip(64 << 20) <= 40 << 20)
            expectFailure(try program.wait(), "/data/big: ", "while it was read")
        }
    }

    /// Ctrl-C counts while nobody takes what is written, and at the second server as well.
    @Test(arguments: Layer.available, ["localhost", "127.0.0.1"])
    func interruptedWithAFullPipe(layer: Layer, first: String) throws {
        try withSite(layer) { site in
            try write("x", to: site.data + "/small")
            try sparse(site.data + "/big", 64 << 20)
            let reader = try SlowReader(site)
            let program = try start(site, into: reader, "\(first):/data/small", "localhost:/data/big")
            try reader.fills()
            program.signal(SIGINT)
            expectFailure(try program.wait(seconds: 30), status: 130, "interrupted")
        }
    }

    @Test(arguments: Layer.available) func aReaderThatLeaves(layer: Layer) throws {
        try withSite(layer) { site in
            try sparse(site.data + "/big", 64 << 20)
            let ended = try RunningProgram([
                "bash", "-c",
                #""$0" cat --record-layer "$1" -o "$2" "$3" "$3" | head -c 5 | wc -c; echo "${PIPESTATUS[0]}""#,
                Programs.path("xfer"), layer.rawValue, "port=\(site.port),\(site.credentials)", "localhost:/data/big",
            ]).wait()
            #expect(ended.output == "5\n141\n" && ended.error == "", "\(ended)")
        }
    }

    @Test(.notInTheLab, .enabled(if: access("/dev/full", W_OK) == 0)) func aDiskThatIsFull() throws {
        try withSite(.user) { site in
            try write("x", to: site.data + "/f")
            let ended = try RunningProgram([
                "sh", "-c",
                #"exec "$0" cat --record-layer user -o "$1" localhost:/data/f localhost:/data/f > /dev/full"#,
                Programs.path("xfer"), "port=\(site.port),\(site.credentials)",
            ]).wait()
            expectFailure(ended, "standard output: No space left on device")
        }
    }
}
