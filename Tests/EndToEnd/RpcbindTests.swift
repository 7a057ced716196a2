import Glibc
import TestSupport
import Testing

/// `xferd --rpcbind` with Debian's rpcbind, in a network and a /run of their own.
@Suite(.serialized, .notInTheLab)
struct RpcbindTests {
    /// A network namespace with lo alone and an empty /run, and what runs in it.
    private final class Lab {
        let directory: Directory
        let keeper: RunningProgram
        var rpcbind: RunningProgram?

        init() throws {
            directory = try Directory(in: "/dev/shm")
            keeper = try RunningProgram([
                "unshare", "--net", "--mount", "sh", "-c",
                "mount -t tmpfs none /run && ip link set lo up && echo ready && exec sleep infinity",
            ])
            _ = try keeper.line()
            mkdir(directory.path + "/data", 0o755)
        }

        func start(_ arguments: [String]) throws -> RunningProgram {
            try RunningProgram(["nsenter", "-t", "\(keeper.process)", "--net", "--mount", "--"] + arguments)
        }

        func startRpcbind() throws {
            let rpcbind = try start(["rpcbind", "-f"])
            self.rpcbind = rpcbind
            // It tells nobody that it listens.
            let listens = eventually { exists("/proc/\(keeper.process)/root/run/rpcbind.sock") }
            try #require(listens, "\(rpcbind.error)")
        }

        func xferd(_ listen: [String]) throws -> RunningProgram {
            try start(
                [
                    Programs.path("xferd"), "--export", "/data=\(directory.path)/data,ro", "--tlssd",
                    directory.path + "/none", "--rpcbind", "--announce",
                ] + listen.flatMap { ["--listen", $0] })
        }

        /// What rpcinfo(8) tells of NFS and MOUNT: "program version netid address owner", sorted.
        func registered() throws -> [String] {
            return try start(["rpcinfo"]).wait().output.split(separator: "\n").compactMap { line in
                let words = line.split(separator: " ")
                guard words.count >= 5, ["100003", "100005"].contains(words[0]) else { return nil }
                return ([0, 1, 2, 3].map { String(words[$0]) } + [String(words[words.count - 1])]).joined(
                    separator: " ")
            }.sorted()
        }

        deinit {
            _ = try? rpcbind?.stop()
            keeper.signal(SIGKILL)
            _ = try? keeper.wait(seconds: 20)
        }
    }

    /// Both programs, for each transport that is listened at; nothing is left behind.
    @Test func registersAndWithdraws() throws {
        let lab = try Lab()
        try lab.startRpcbind()
        let xferd = try lab.xferd(["127.0.0.1:2049", "[::1]:2050"])
        _ = try xferd.line()
        #expect(
            try lab.registered() == [
                "100003 3 tcp 127.0.0.1.8.1 superuser", "100003 3 tcp6 ::1.8.2 superuser",
                "100005 3 tcp 127.0.0.1.8.1 superuser", "100005 3 tcp6 ::1.8.2 superuser",
            ])
        #expect(try xferd.stop().status == 0)
        #expect(try lab.registered().isEmpty)
    }

    /// What a killed server left goes, also where the next listens elsewhere and not as widely.
    @Test func aKilledPredecessor() throws {
        let lab = try Lab()
        try lab.startRpcbind()
        let killed = try lab.xferd(["127.0.0.1:2049", "[::1]:2049"])
        _ = try killed.line()
        killed.signal(SIGKILL)
        _ = try killed.wait(seconds: 20)
        #expect(try lab.registered().count == 4)
        let next = try lab.xferd(["0.0.0.0:2050"])
        _ = try next.line()
        #expect(
            try lab.registered() == [
                "100003 3 tcp 0.0.0.0.8.2 superuser", "100005 3 tcp 0.0.0.0.8.2 superuser",
            ])
        #expect(try next.stop().status == 0)
        #expect(try lab.registered().isEmpty)
    }

    /// One that still answers is left alone, and the second one says so and ends.
    @Test func anotherServer() throws {
        let lab = try Lab()
        try lab.startRpcbind()
        let first = try lab.xferd(["127.0.0.1:2049"])
        _ = try first.line()
        let registered = try lab.registered()
        let second = try lab.xferd(["127.0.0.1:2050"]).wait(seconds: 20)
        expectFailure(
            second, "program 100003 version 3 over tcp is registered already", "127.0.0.1:2049", "owner: superuser")
        #expect(try lab.registered() == registered)
        #expect(try first.stop().status == 0)
        #expect(try lab.registered().isEmpty)
    }

    @Test func withoutRpcbind() throws {
        let lab = try Lab()
        let xferd = try lab.xferd(["127.0.0.1:2049"]).wait(seconds: 20)
        expectFailure(xferd, "--rpcbind: rpcbind does not answer (is it running?)", "refused")
    }
}
