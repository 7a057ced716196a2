import Testing
import Transfer

@testable import Jobs

@Suite struct JobParserTests {
    private let parser = JobParser { text throws(UsageError) in try RemoteName.parse(text) }

    private func parse(_ text: String) -> ParsedLine { parser.parse(Array(text.utf8), line: 7) }

    private func job(_ text: String) throws -> Job {
        guard case .job(let job) = parse(text) else { throw JobsError("\(parse(text))") }
        return job
    }

    private func reason(_ text: String) -> String? {
        guard case .bad(line: 7, _, let reason) = parse(text) else { return nil }
        return reason
    }

    @Test func aPlainLine() throws {
        let get = try job("get host:/data/a b")
        #expect(get == Job(line: 7, operation: .get, source: "host:/data/a", destination: "b"))
        let put = try job("  put\t'two words' \"nfs://host/data/\\\"x\"   # and why\r")
        #expect(put == Job(line: 7, operation: .put, source: "two words", destination: "nfs://host/data/\"x"))
    }

    @Test(arguments: ["", "   \t", "# get host:/a b", "  #", "\r"]) func nothing(line: String) {
        #expect(parse(line) == .blank)
    }

    @Test func optionsOfAPlainLine() throws {
        let job = try job("get -rp --fsync --jobs 9 -o port=2050 -osoft --jobs=3 -- host:/data/-a -b")
        #expect(job.source == "host:/data/-a" && job.destination == "-b")
        #expect(job.options.mount == ["port=2050", "soft"])
        let options = job.options.applied(to: CopyRules())
        #expect(options.recursive && options.preserve && options.synchronize && options.jobs == 3)
        #expect(try !self.job("get host:/a b").options.applied(to: CopyRules()).recursive)
    }

    @Test func aLineOfJSON() throws {
        let job = try job(
            #"{"op":"put","src":"ä\u00e9\ud83d\ude00\n","dst":"h:/x","id":5,"options":{"recursive":true,"preserve":false,"jobs":2,"o":["ro","soft"]}}"#
        )
        #expect(job.operation == .put && job.source == "äé😀\n" && job.destination == "h:/x" && job.id == "5")
        #expect(job.options.mount == ["ro", "soft"])
        var base = CopyRules()
        base.preserve = true
        let options = job.options.applied(to: base)
        #expect(options.recursive && !options.preserve && options.jobs == 2)
        // As the state keeps them.
        #expect(try JobOptions(stored: job.options.stored) == job.options)
        #expect(try JobOptions(stored: JobOptions().stored) == JobOptions())
    }

    @Test(arguments: [
        ("frob a b", "'frob' is neither get nor put"),
        ("get host:/a", "there are 1 names"),
        ("get host:/a b c", "there are 3 names"),
        ("get a b", "'a' is a local path"),
        ("get host:/a other:/b", "'other:/b' is on a server"),
        ("put a b", "'b' is a local path"),
        ("get host:/a 'b", "a ' that is not closed"),
        ("get host:/a \"b", "a \" that is not closed"),
        ("get host:/a b\\", "a \\ at the end"),
        ("get host:/a/../b c", "'..' is not allowed"),
        ("get -x host:/a b", "option -x is not known"),
        ("get --frob host:/a b", "option 'frob' is not known"),
        ("get --recursive=1 host:/a b", "takes no value"),
        ("get --jobs 0 host:/a b", "a number from 1 to 1024"),
        ("get --jobs", "a number is wanted"),
        ("get -o", "-o wants a value"),
        ("get -o frob=1 host:/a b", "option 'frob' is not known"),
        ("get host:/a ''", "an empty name"),
        ("{", "at column 2"),
        ("{}", "'op' is missing"),
        (#"{"op":"get"}"#, "'src' is missing"),
        (#"{"op":"get","src":"h:/a"}"#, "'dst' is missing"),
        (#"{"op":"mv","src":"h:/a","dst":"b"}"#, "op 'mv'"),
        (#"{"op":1,"src":"h:/a","dst":"b"}"#, "'op': a string is wanted"),
        (#"{"op":"get","src":"h:/a","dst":"b","x":1}"#, "'x' is none of"),
        (#"{"op":"get","src":"h:/a","dst":"b","options":{"recursive":1}}"#, "true or false is wanted"),
        (#"{"op":"get","src":"h:/a","dst":"b","options":{"recursive":"yes"}}"#, "wrong kind"),
        (#"{"op":"get","src":"h:/a","dst":"b","options":{"o":[1]}}"#, "strings are wanted"),
        (#"{"op":"get","src":"h:/a","dst":"b","options":7}"#, "an object is wanted"),
        (#"{"op":"get","src":"h:/a","dst":"b\u0000"}"#, "NUL"),
    ]) func whatIsWrong(line: String, words: String) {
        let reason = reason(line)
        #expect(reason?.contains(words) == true, "\(reason ?? "no error")")
    }

    @Test func bytesThatAreNoText() {
        guard case .bad(_, _, let reason) = parser.parse([0x67, 0xff], line: 1) else { return #expect(Bool(false)) }
        #expect(reason.contains("UTF-8"))
        let long = [UInt8](repeating: 0x67, count: JobParser.longest + 1)
        guard case .bad(_, let text, let why) = parser.parse(long, line: 1) else { return #expect(Bool(false)) }
        #expect(why.contains("longer than") && text.utf8.count == 200)
    }

    @Test(arguments: [
        "[1,]", "[1 2]", "{\"a\" 1}", "{\"a\":1,}", "01", "1.", "-", "1e", "tru", "\"\\x\"", "\"\\u12g4\"",
        "\"\\u+123\"",
        "\"\\ud800\"", "\"\\ud800\\u0041\"", "\"a", "\"\u{1}\"", "{\"a\":1,\"a\":2}", "1 2", "",
        String(repeating: "[", count: 100_000),
    ]) func notJSON(text: String) { #expect(throws: JSONError.self) { try JSONValue(Array(text.utf8)) } }

    @Test func wordsAsAShellHasThem() throws {
        #expect(
            try ShellWords.split(#"a\ b 'c\d' "e\"f\g" h#i "" '#' #x"#) == ["a b", #"c\d"#, #"e"f\g"#, "h#i", "", "#"])
    }
}
