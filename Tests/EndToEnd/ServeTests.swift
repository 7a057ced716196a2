import Glibc
import TestSupport
import Testing

/// `xfer serve`: one command serves, the command that it prints fetches.
@Suite struct ServeTests {
    private func serve(_ directory: Directory, _ layer: Layer, _ more: String...) throws -> RunningProgram {
        let place = directory.path + "/shared files"
        mkdir(place, 0o755)
        try write("hello", to: place + "/f")
        let served = try RunningProgram(
            [
                Programs.path("xfer"), "serve", "--address", "127.0.0.1", "--port", "0", "--record-layer",
                layer.rawValue,
                "--state", directory.path + "/state",
            ] + more + [place], environment: ["PATH=\(Programs.directory):/usr/bin:/bin"])
        try served.printed("xfer get")
        return served
    }

    /// The printed command, as a person pastes it.
    private func command(_ served: RunningProgram) throws -> String {
        let line = served.output.split(separator: "\n").first { $0.contains("xfer get") }
        return String(try #require(line)).trimmingSpaces
    }

    @Test(arguments: Layer.available) func thePrintedCommandFetches(layer: Layer) throws {
        let directory = try Directory()
        let served = try serve(directory, layer)
        mkdir(directory.path + "/here", 0o755)
        let ended = try RunningProgram(
            ["sh", "-c", try command(served)], environment: ["PATH=\(Programs.directory):/usr/bin:/bin"],
            directory: directory.path + "/here"
        ).wait()
        expectDone(ended)
        #expect(
            contents(of: directory.path + "/here/shared files/f") == "hello", "\(names(in: directory.path + "/here"))")
        // Its children hold its output: it has an end only when they have too.
        let stopped = try served.stop()
        #expect(stopped.status == 0, "\(stopped)")
    }

    @Test(arguments: Layer.available) func writesOnlyWhereItWasAllowed(layer: Layer) throws {
        for allowed in [false, true] {
            let directory = try Directory()
            let served = allowed ? try serve(directory, layer, "--rw") : try serve(directory, layer)
            try write("x", to: directory.path + "/new")
            let words = try command(served).split(separator: " ")
            let options = String(words[try #require(words.firstIndex(of: "-o")) + 1])
            let ended = try RunningProgram(
                [Programs.path("xfer"), "put", "-o", options, directory.path + "/new", "localhost:/shared files"])
                .wait()
            if allowed {
                expectDone(ended)
                #expect(contents(of: directory.path + "/shared files/new") == "x")
            } else {
                expectFailure(ended, "/shared files/new", "ead-only")
            }
            #expect(try served.stop().status == 0)
        }
    }

    /// The client's certificate is carried away: a second start must not make another one.
    @Test(.notInTheLab) func keepsTheClientsCertificate() throws {
        let directory = try Directory()
        try serve(directory, .user).stop()
        let first = contents(of: directory.path + "/state/pki/client.pem")
        try serve(directory, .user).stop()
        #expect(!first.isEmpty && contents(of: directory.path + "/state/pki/client.pem") == first)
    }

    @Test(.notInTheLab) func endsWithItsChildrenOnCtrlC() throws {
        let directory = try Directory()
        let served = try serve(directory, .user)
        served.signal(SIGINT)
        let ended = try served.wait(seconds: 20)
        #expect(ended.status == 0 || ended.status == 130, "\(ended)")
    }

    /// xferd acts as who serves, who may read its keys.
    @Test(.notInTheLab, arguments: ["", "/state", "/state/pki"]) func servesNoPrivateKeys(served: String) throws {
        let directory = try Directory()
        try serve(directory, .user).stop()
        let ended = try RunningProgram([
            Programs.path("xfer"), "serve", "--port", "0", "--state", "\(directory.path)/state",
            directory.path + served,
        ]).wait()
        expectFailure(ended, "private keys in \(directory.path)/state would be served too")
    }

    /// A path that is no absolute one is of the working directory.
    @Test(.notInTheLab) func keepsItsStateWhereItIsTold() throws {
        let directory = try Directory()
        mkdir(directory.path + "/shared", 0o755)
        let served = try RunningProgram(
            [
                Programs.path("xfer"), "serve", "--address", "127.0.0.1", "--port", "0", "--state", "kept/here",
                "shared",
            ],
            directory: directory.path)
        try served.printed("xfer get")
        #expect(exists(directory.path + "/kept/here/handle.key"))
        #expect(try served.stop().status == 0)
    }

    @Test(.notInTheLab) func refusesWithAReason() throws {
        let directory = try Directory()
        let missing = try RunningProgram([
            Programs.path("xfer"), "serve", "--state", directory.path + "/s", directory.path + "/no",
        ]).wait()
        expectFailure(missing, directory.path + "/no", "No such file")
        let served = try serve(directory, .user)
        let port = try command(served).split(separator: "port=").last?.prefix { $0.isNumber }
        let taken = try RunningProgram([
            Programs.path("xfer"), "serve", "--address", "127.0.0.1", "--port", String(try #require(port)), "--state",
            directory.path + "/other", directory.path + "/shared files",
        ]).wait()
        expectFailure(taken, "127.0.0.1:\(port ?? "")", "in use")
        #expect(try served.stop().status == 0)
    }
}

extension String {
    fileprivate var trimmingSpaces: String { String(drop { $0 == " " }) }
}
