import ArgumentParser
import Glibc
import TestSupport
import Testing

@testable import Transfer
@testable import xfer

@Suite struct RuleArgumentsTests {
    private func rules(_ words: String...) throws -> CopyRules { try RuleArguments.parse(words).rules() }

    @Test func nothingAsked() throws {
        let rules = try rules()
        #expect(!rules.recursive && !rules.preserve && !rules.delete && !rules.dryRun && !rules.checksum)
        #expect(rules.filter.isEmpty && rules.jobs == 32 && rules.maxDelete == nil && rules.modifyWindow == 0)
        #expect(try RuleArguments.parse([]).bandwidth() == nil)
    }

    @Test func eachWord() throws {
        let all = try rules(
            "-r", "-p", "-H", "--owner", "-S", "-u", "--delete", "--max-delete", "7", "-n", "-i", "--fsync", "--jobs",
            "5",
            "-c", "--existing")
        #expect(all.recursive && all.preserve && all.hardLinks && all.owner && all.sparse && all.update && all.delete)
        #expect(all.maxDelete == 7 && all.dryRun && all.itemize && all.synchronize && all.jobs == 5)
        #expect(all.checksum && all.existing && !all.ignoreExisting && !all.sizeOnly && !all.ignoreTimes)
        #expect(try rules("--ignore-existing").ignoreExisting)
        #expect(try rules("--size-only").sizeOnly)
        #expect(try rules("-I").ignoreTimes)
        #expect(try rules("--modify-window", "2").modifyWindow == 2)
        let archive = try rules("-a")
        #expect(archive.recursive && archive.preserve && archive.hardLinks && archive.owner == (geteuid() == 0))
    }

    /// The same words in two orders.
    @Test func theOrderOfDifferentOptionsCounts() throws {
        let file = TemporaryDirectory()
        try write(Array("*.b\n!keep.b\n".utf8), to: file.path + "/rules")
        func admits(_ name: String, _ words: [String]) throws -> Bool {
            try RuleArguments.parse(words).rules().filter.admits(Array(name.utf8), isDirectory: false)
        }
        let (out, into) = (["--exclude", "*.a"], ["--include", "x.a"])
        #expect(try admits("x.a", out + into))
        #expect(try !admits("x.a", into + out))
        #expect(try !admits("x.a", into + ["--jobs", "3"] + out + ["-r"]))
        let from = ["--exclude-from", file.path + "/rules"]
        #expect(try admits("x.b", from + ["--include", "x.b"]))
        #expect(try !admits("x.b", ["--include", "x.b"] + from))
        #expect(try admits("keep.b", ["--exclude=keep.b"] + from))
        #expect(try !admits("keep.b", from + ["--exclude=keep.b"]))
    }

    @Test(
        arguments: [
            ("--size-only --checksum", "--size-only and --checksum"), ("-I --size-only", "--ignore-times"),
            ("-I -c", "--ignore-times"), ("--existing --ignore-existing", "nothing is left"),
            ("--max-delete 3", "--max-delete is for --delete"), ("--delete --max-delete=-1", "--max-delete"),
            ("--jobs 0", "--jobs"), ("--jobs 1025", "--jobs"), ("--limit fast", "'fast'"), ("--limit 0.1", "'0.1'"),
            ("--exclude [a", "--exclude '[a'"), ("--include !a", "--include '!a'"), ("--exclude=", "--exclude"),
            ("--exclude-from - --exclude-from -", "once"), ("--include *.c --exclude *", "put the exclude first"),
            ("--include a --include b --exclude **", "'a' does nothing"),
            ("--size-only --modify-window 2", "--modify-window"),
        ]) func whatContradictsItself(words: String, said: String)
    {
        let words = words.split(separator: " ").map(String.init)
        do {
            _ = try RuleArguments.parse(words)
            Issue.record("taken: \(words)")
        } catch {
            #expect(RuleArguments.fullMessage(for: error).contains(said), "\(RuleArguments.fullMessage(for: error))")
        }
    }

    @Test(arguments: [
        "--delete --existing --ignore-existing", "--exclude * --include *.c", "--checksum -p --modify-window 2",
        "-u --ignore-existing", "--delete --max-delete 0",
    ]) func whatDoesNot(words: String) throws {
        _ = try RuleArguments.parse(words.split(separator: " ").map(String.init))
    }

    @Test func filesThatAreNotThereOrWrongAreNamed() throws {
        let file = TemporaryDirectory()
        let absent = #expect(throws: UsageError.self) { try rules("--exclude-from", file.path + "/none") }
        #expect(absent?.description.contains("--exclude-from \(file.path)/none: ") == true)
        try write(Array("a\n[b\n".utf8), to: file.path + "/rules")
        let wrong = #expect(throws: UsageError.self) { try rules("--exclude-from", file.path + "/rules") }
        #expect(wrong?.description.contains("\(file.path)/rules line 2: '[b'") == true)
        #expect(throws: UsageError.self) { try rules("--exclude-from", file.path) }
    }

    @Test(arguments: [("50M", 50_000_000), ("1.5Gi", 1_610_612_736), ("0", nil), ("none", nil)] as [(String, UInt64?)])
    func limits(text: String, rate: UInt64?) throws {
        #expect(try RuleArguments.parse(["--limit", text]).bandwidth()?.rate == rate)
    }
}
