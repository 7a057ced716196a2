import NFS
import TestSupport
import Testing

@testable import Transfer

@Suite(.timeLimit(.minutes(2))) struct FilterTests {
    /// Lines of a file, and paths (a slash behind directories) that they leave out and that they do not.
    struct Case: Sendable, CustomTestStringConvertible {
        let lines: String
        let out: [String]
        let taken: [String]
        var testDescription: String { lines }
    }

    static let cases = [
        Case(lines: "*.o", out: ["a.o", "d/b.o", ".o", "d.o/"], taken: ["a.oo", "a.O", "o"]),
        Case(lines: "/a", out: ["a"], taken: ["d/a", "ab"]),
        Case(lines: "d/a", out: ["d/a"], taken: ["x/d/a", "a"]),
        Case(lines: "build/", out: ["build/", "x/build/"], taken: ["src/build", "b"]),
        Case(lines: "*.log\n!keep.log", out: ["a.log"], taken: ["keep.log", "d/keep.log"]),
        Case(lines: "!keep.log\n*.log", out: ["a.log", "keep.log"], taken: ["x"]),
        Case(lines: "d/\n!d/a", out: ["d/", "d/a"], taken: ["a"]),
        Case(lines: "d/*\n!d/a", out: ["d/b"], taken: ["d/", "d/a"]),
        Case(lines: "**/foo", out: ["foo", "x/foo", "x/y/foo"], taken: ["xfoo", "x/foob"]),
        Case(lines: "abc/**", out: ["abc/x/", "abc/x/y"], taken: ["abc/", "x/abc/y"]),
        Case(lines: "a/**/b", out: ["a/b", "a/x/b", "a/x/y/b"], taken: ["ab", "x/a/b", "a/xb"]),
        Case(lines: "a/*/b", out: ["a/x/b"], taken: ["a/b", "a/x/y/b"]),
        Case(lines: "/*", out: ["a", "d/", "d/a"], taken: []),
        Case(lines: "a?c", out: ["abc", "d/axc"], taken: ["ac", "abbc", "a/c"]),
        Case(lines: "[a-cx]", out: ["a", "c", "x"], taken: ["d", "ab", "-"]),
        Case(lines: "[!a-c]", out: ["d", "-"], taken: ["a", "dd"]),
        Case(lines: "[^a]", out: ["b"], taken: ["a"]),
        Case(lines: "[]-]", out: ["]", "-"], taken: ["a"]),
        Case(lines: "[[:digit:][:upper:]]", out: ["7", "Q"], taken: ["q", "d", "["]),
        Case(lines: "[a\\]b]", out: ["]", "a", "b"], taken: ["\\"]),
        Case(lines: "x[/]y", out: [], taken: ["x/y"]),
        Case(lines: "\\!a\n\\#b", out: ["!a", "#b"], taken: ["a", "b", "\\!a"]),
        Case(lines: "# a comment\n\n#b\n  \n", out: [], taken: ["#b", "b", "a"]),
        Case(lines: "a  \nb\\ \nc \\ ", out: ["a", "b ", "c  "], taken: ["b", "c", "a  "]),
        Case(lines: "a\\*b", out: ["a*b"], taken: ["axb", "ab"]),
        Case(lines: "a\r\nb", out: ["a", "b"], taken: ["a\r"]),
        Case(lines: "\u{feff}a\nb", out: ["a", "b"], taken: ["\u{feff}a"]),
        Case(lines: "??", out: ["é", "ab"], taken: ["a", "€"]),
        Case(lines: "a**b", out: ["ab", "axb"], taken: ["a/b", "a/x/b"]),
        Case(lines: "x/a*b**c", out: ["x/abc", "x/a1b2c"], taken: ["x/ab/c", "x/ab/d/c"]),
        Case(lines: "***", out: ["a", "d/a"], taken: []),
        Case(lines: ".*", out: [".a", "d/.b/"], taken: ["a.b"]),
        Case(lines: "d/**/", out: ["d/x/", "d/x/y/", "d/x/f"], taken: ["d/f", "d/"]),
        Case(lines: "/**/a/**/b/**", out: ["a/b/c", "x/a/y/b/c"], taken: ["a/b/", "b"]),
    ]

    private static func filter(_ lines: String) throws -> Filter {
        var filter = Filter()
        try filter.add(lines: Array(lines.utf8), of: "rules")
        return filter
    }

    private static func reaches(_ filter: Filter, _ path: [UInt8]) -> Bool {
        let isDirectory = path.last == UInt8(ascii: "/")
        return filter.reaches(isDirectory ? path.dropLast() : path, isDirectory: isDirectory)
    }

    @Test(arguments: cases) func asTheManualSays(_ given: Case) throws {
        let filter = try Self.filter(given.lines)
        for path in given.out { #expect(!Self.reaches(filter, Array(path.utf8)), "\(path)") }
        for path in given.taken { #expect(Self.reaches(filter, Array(path.utf8)), "\(path)") }
    }

    @Test(
        .enabled(if: GitIgnore.isInstalled, "git is not installed: nothing to compare with"),
        .enabled(if: TestedLayers.lab == nil, "nothing in it depends on who makes the records; not in the kTLS lab"),
        arguments: cases)
    func andAsGitHasIt(_ given: Case) throws {
        let paths = (given.out + given.taken).map { Array($0.utf8) }
        let ignored = try GitIgnore(paths).ignored(Array(given.lines.utf8))
        #expect(
            ignored
                == Set(given.out.map { Array($0.utf8.last == UInt8(ascii: "/") ? $0.utf8.dropLast() : $0.utf8[...]) }))
    }

    /// 500 files of random patterns, 150 random paths.
    @Test(
        .enabled(if: GitIgnore.isInstalled, "git is not installed: nothing to compare with"),
        .enabled(
            if: TestedLayers.lab == nil, "500 runs of git take minutes in it, and say the same: not in the kTLS lab"))
    func anyPatternsAsGitHasThem() throws {
        var random = SeededRandom(2024)
        let letters = ["a", "b", "c", "ab", "ba", "[", "]", "!", "\\", "*", "-", " ", "#", ".", "é", "B", "1"]
        func word(_ words: [String], _ counts: ClosedRange<Int>) -> String {
            (0..<Int.random(in: counts, using: &random)).compactMap { _ in words.randomElement(using: &random) }
                .joined()
        }
        // A name is a file's or a directory's, not both.
        var paths: [String: Bool] = [:]
        while paths.count < 150 {
            var path = ""
            for depth in 0..<Int.random(in: 1...4, using: &random) {
                if paths[path] == false { break }
                if depth > 0 {
                    paths[path] = true
                    path += "/"
                }
                var name = word(letters, 1...3)
                while name.allSatisfy({ $0 == "." }) { name = word(letters, 1...3) }
                path += name
            }
            if paths[path] == nil, !path.hasSuffix("/") { paths[path] = false }
        }
        let git = try GitIgnore(paths.sorted { $0.key < $1.key }.map { Array(($0.value ? $0.key + "/" : $0.key).utf8) })
        let pieces =
            letters + [
                "*", "*", "**", "***", "/", "/", "/**/", "**/", "/**", "?", "[ab]", "[!a]", "[a-c]", "[^b-]", "[]a]",
                "[[:alpha:]]", "[[:bogus:]]", "[\\]]", "\\*", "\\ ", "\\/", "[a", "[:a:]", "[a-", "[+--]", "[b-a]",
            ]
        var (out, wrong) = (0, 0)
        for round in 0..<500 {
            let lines = (0..<Int.random(in: 1...6, using: &random)).map { _ in
                (Int.random(in: 0..<4, using: &random) == 0 ? "!" : "") + word(pieces, 1...5)
                    + (Int.random(in: 0..<5, using: &random) == 0 ? "/" : "")
            }
            var filter = Filter()
            // What we refuse is what matches nothing.
            for line in lines { try? filter.add(line: Array(line.utf8)[...], place: "") }
            let ignored = try git.ignored(Array(lines.joined(separator: "\n").utf8))
            for path in git.paths {
                let name = path.last == UInt8(ascii: "/") ? path.dropLast() : path
                let isOut = !Self.reaches(filter, path)
                out += isOut ? 1 : 0
                guard isOut != ignored.contains(name) else { continue }
                wrong += 1
                if wrong < 20 {
                    Issue.record(
                        "round \(round): \(lines) \(String(decoding: path, as: UTF8.self)): git \(!isOut), we \(isOut)")
                }
            }
        }
        #expect(wrong == 0)
        // Neither all nor nothing.
        #expect((5000...70000).contains(out))
    }

    /// What takes others forever.
    @Test func hostilePatternsAreQuick() throws {
        let text = Array(String(repeating: "a", count: 4000).utf8)
        let path = Array(String(repeating: "a/", count: 2000).utf8) + [0x61]
        for pattern in [
            String(repeating: "*a", count: 100) + "*b", String(repeating: "**/a/", count: 100) + "b",
            "/" + String(repeating: "**/*a*", count: 60) + "b", String(repeating: "*", count: 100_000) + "b",
            String(repeating: "**/", count: 30_000) + "b", String(repeating: "*?[a]", count: 300) + "b",
        ] {
            var filter = Filter()
            try filter.exclude(pattern)
            #expect(filter.admits(text, isDirectory: false))
            #expect(filter.admits(path, isDirectory: false))
        }
    }

    @Test func longListsOfNames() throws {
        var filter = Filter()
        for number in 0..<50_000 { try filter.exclude("name\(number)") }
        try filter.exclude("!name7")
        try filter.exclude("name8/")
        for _ in 0..<20 {
            #expect(!filter.admits(Array("d/name49999".utf8), isDirectory: false))
            #expect(filter.admits(Array("d/name7".utf8), isDirectory: false))
            #expect(filter.admits(Array("name50000".utf8), isDirectory: false))
        }
    }

    @Test func theLastMatchCountsAmongNamesAndOthers() throws {
        var filter = Filter()
        for pattern in ["core", "!c*", "core/", "*.c", "!main.c"] { try filter.exclude(pattern) }
        #expect(filter.admits(["core"] as [FileName], isDirectory: false))
        #expect(!filter.admits(["core"] as [FileName], isDirectory: true))
        #expect(filter.admits(["d", "main.c"] as [FileName], isDirectory: false))
        #expect(!filter.admits(["d", "other.c"] as [FileName], isDirectory: false))
    }

    @Test func includesAloneAreWhatIsAskedFor() throws {
        var filter = Filter()
        try filter.include("*.jpg")
        try filter.include("/docs/")
        func admission(_ path: String, _ isDirectory: Bool = false) -> Filter.Admission {
            filter.admission(Array(path.utf8), isDirectory: isDirectory)
        }
        #expect(admission("a.jpg") == .admitted && admission("d/e/a.jpg") == .admitted)
        #expect(admission("a.png") == .excluded(by: nil))
        #expect(admission("d", true) == .searched)
        #expect(admission("docs", true) == .admitted && admission("docs/x/y.txt") == .admitted)
        #expect(admission("docs") == .excluded(by: nil))
        // With an exclude they mean what they mean in a .gitignore.
        try filter.exclude("*.png")
        #expect(admission("a.txt") == .admitted && admission("a.png") == .excluded(by: "*.png"))
        // The lines of a file do not ask for anything.
        let file = try Self.filter("!*.jpg")
        #expect(file.admits(Array("a.png".utf8), isDirectory: false))
    }

    @Test(arguments: ["[a", "a[", "x/[[:bogus:]]", "a\\", "!", "/", "!/", "[", "[!]", "[a-", "a\\/"])
    func whatNothingMatchesIsRefusedWithItsPlace(pattern: String) {
        var filter = Filter()
        let error = #expect(throws: UsageError.self) {
            try filter.add(lines: Array("ok\n\n\(pattern)\nok".utf8), of: "my.rules")
        }
        #expect(error?.description.contains("my.rules line 3") == true)
        #expect(error?.description.contains("'\(pattern)'") == true)
        let excluded = #expect(throws: UsageError.self) { try filter.exclude(pattern) }
        #expect(excluded?.description.hasPrefix("--exclude '\(pattern)'") == true)
    }

    @Test func bytesThatAreNoText() throws {
        var filter = Filter()
        try filter.add(lines: [0xff, UInt8(ascii: "?"), 0x0a, 0xfe], of: "rules")
        #expect(!filter.admits([0xff, 0xfd], isDirectory: false))
        #expect(filter.admits([0xff], isDirectory: false))
        #expect(!filter.admits([0xfe], isDirectory: false))
        #expect(throws: UsageError.self) { try filter.add(lines: [0x61, 0, 0x62], of: "rules") }
    }

    @Test func onTheCommandLineAHashIsAHashAndASpaceASpace() throws {
        var filter = Filter()
        try filter.exclude("#a")
        try filter.exclude("b ")
        #expect(!filter.admits(Array("#a".utf8), isDirectory: false))
        #expect(!filter.admits(Array("b ".utf8), isDirectory: false))
        #expect(filter.admits(Array("b".utf8), isDirectory: false))
        #expect(throws: UsageError.self) { try filter.include("!c") }
    }
}
