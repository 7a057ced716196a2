extension RuleCase {
    private static let tree: [Thing] = [
        .directory("", at: 3000), .file("a", "one"), .directory("d", at: 3001), .file("d/b", "two", at: 1001),
        .directory("d/e", at: 3002, mode: 0o700), .file("d/e/c", "three", mode: 0o600), .link("l", "d/b"),
        .link("d/up", ".."), .directory("empty", at: 3003, mode: 0o555),
    ]
    private static let treeItems = [
        "new file  a", "new dir   d/", "new file  d/b", "new dir   d/e/", "new file  d/e/c", "new link  l",
        "new link  d/up", "new dir   empty/",
    ]
    /// A temporary of somebody else: another machine's, or another user's.
    private static let foreign = ".a.zzzzzzzzzz.xfer"

    package static let all: [RuleCase] = copying + comparing + choosing + deleting + linking + conflicting

    private static let copying: [RuleCase] = [
        RuleCase("a tree where there is none", from: tree, to: nil, ["new dir   ."] + treeItems),
        RuleCase("a tree into an empty one", from: tree, ["set       . (time)"] + treeItems),
        RuleCase(
            "without -p, modes and times are new ones", from: [.file("a", "one"), .directory("d")], to: nil,
            gives: [.file("a", "one", at: nil), .directory("d", at: nil)],
            ["new dir   .", "new file  a", "new dir   d/"]
        ).with {
            $0.named = ["-r"]
            $0.again = ["update    a (time)"]
            $0.operations = [.get, .put]
        },
        RuleCase(
            "what is there without -p is copied again", from: [.file("a", "one")], to: [.file("a", "one")],
            gives: [.file("a", "one", at: nil)], ["update    a"]
        ).with {
            $0.named = ["-r"]
            $0.again = nil
            $0.operations = [.get, .put]
        },
        RuleCase(
            "names of all kinds",
            from: [
                .directory("", at: 3000), .file("two\nlines", "1"), .file("tab\tand\\back", "2"),
                .file("esc\u{1b}[2J", "3"),
                .file("-n", "4"), .file(" blank ", "5"), .file("w\u{f6}rter", "6"), .file("raw%FF%FEname", "7"),
                .file(String(repeating: "n", count: 255), "8"), .directory("%25d %80"), .file("%25d %80/*", "9"),
            ], to: [.directory("", at: 3000), .file("old%FF", "x"), .file(String(repeating: "n", count: 255), "88")],
            nil
        ).with {
            $0.arguments = ["--delete"]
            $0.operations = [.syncDown, .syncUp]
        },
        RuleCase(
            "-S, --fsync, --jobs, --limit and nconnect= change nothing else",
            [
                "-S", "--fsync", "--jobs", "2", "--limit", "100M",
                "-o", "nconnect=2",
            ], from: tree, to: nil, ["new dir   ."] + treeItems),
        RuleCase(
            "-S", ["-S"],
            from: [.directory("", at: 3000), .sparse("small", 200 << 10, "some"), .sparse("large", 3 << 20, "more")],
            to: nil, ["new dir   .", "new file  small", "new file  large"]),
        RuleCase(
            "without -S holes are filled",
            from: [.directory("", at: 3000), .sparse("small", 200 << 10, "some"), .sparse("large", 3 << 20, "more")],
            to: nil,
            gives: [.directory("", at: 3000), .zeros("small", 200 << 10, "some"), .zeros("large", 3 << 20, "more")],
            ["new dir   .", "new file  small", "new file  large"]
        ).with { $0.operations = [.get, .put] },
        RuleCase(
            "--limit",
            from: [
                .directory("", at: 3000), .file("large", String(repeating: "many ", count: 200_000)),
                .file("small", String(repeating: "few ", count: 30_000)),
            ],
            to: nil, ["new dir   .", "new file  large", "new file  small"]
        ).with { $0.limit = 1_000_000 },
        RuleCase(
            "one job, one connection", ["--jobs", "1", "-o", "nconnect=1"], from: tree, to: nil,
            ["new dir   ."] + treeItems),
        RuleCase(
            "directories get their times when all is in them",
            from: [.directory("", at: 3000), .directory("d", at: 3001), .file("d/new", "1"), .file("d/old", "22")],
            to: [.directory("", at: 3000), .directory("d", at: 3001), .file("d/old", "2")],
            ["new file  d/new", "update    d/old (size)"]),
        RuleCase(
            "a directory's mode and time alone",
            from: [.directory("", at: 3000), .directory("d", at: 3001, mode: 0o711)],
            to: [.directory("", at: 3000), .directory("d", at: 3002, mode: 0o777)], ["set       d/ (mode, time)"]),
        RuleCase(
            "what is neither file nor directory nor link",
            from: [.directory("", at: 3000), .fifo("p"), .file("a", "1")],
            gives: [.directory("", at: 3000), .file("a", "1")], ["set       . (time)", "new file  a"]
        ).with { $0.words = ["left out", "/p"] },
        RuleCase(
            "unfinished copies of others",
            ["--delete"],
            from: [.directory("", at: 3000), .file(foreign, "theirs"), .file("a", "1")],
            to: [
                .directory("", at: 3000), .file(".b.yyyyyyyyyy.xfer", "others"), .directory("gone"),
                .file("gone/.c.yyyyyyyyyy.xfer", "more"), .file("gone/d", "1"), .file("a", "1"),
            ],
            gives: [
                .directory("", at: 3000), .file(".b.yyyyyyyyyy.xfer", "others"), .directory("gone", at: nil),
                .file("gone/.c.yyyyyyyyyy.xfer", "more"), .file("a", "1"),
            ],
            ["delete    gone/d"]),
    ]

    /// Same size and time, other content; other time, same content; other size.
    private static let compared: [Thing] = [
        .directory("", at: 3000), .file("same", "1"), .file("content", "new"), .file("time", "2", at: 1005),
        .file("size", "333", at: 1000), .file("mode", "4", mode: 0o600),
    ]
    private static let outdated: [Thing] = [
        .directory("", at: 3000), .file("same", "1"), .file("content", "old"), .file("time", "2", at: 1000),
        .file("size", "33"), .file("mode", "4"),
    ]
    private static func outdated(_ changes: Thing...) -> [Thing] {
        outdated.map { old in changes.first { $0.path == old.path } ?? old }
    }

    private static let comparing: [RuleCase] = [
        RuleCase(
            "by size and time", from: compared, to: outdated,
            gives: compared.map { $0.path == "content" ? .file("content", "old") : $0 },
            ["update    time (time)", "update    size (size)", "set       mode (mode)"]),
        RuleCase(
            "--checksum", ["--checksum"], from: compared, to: outdated,
            ["update    content (content)", "set       time (time)", "update    size (size)", "set       mode (mode)"]),
        RuleCase(
            "--size-only", ["--size-only"], from: compared, to: outdated,
            gives: compared.map { $0.path == "content" ? .file("content", "old") : $0 },
            ["set       time (time)", "update    size (size)", "set       mode (mode)"]),
        RuleCase(
            "--ignore-times", ["--ignore-times"], from: compared, to: outdated,
            ["update    same", "update    content", "update    time (time)", "update    size (size)", "update    mode"]
        ).with { $0.again = ["content", "mode", "same", "size", "time"].map { "update    " + $0 } },
        RuleCase(
            "--modify-window", ["--modify-window", "5"], from: compared, to: outdated,
            gives: outdated(.file("size", "333"), .file("mode", "4", mode: 0o600)),
            ["update    size (size)", "set       mode (mode)"]),
        RuleCase(
            "--update",
            ["--update"],
            from: [
                .directory("", at: 3000), .file("newer", "1", at: 1005), .file("older", "1", at: 995),
                .file("new", "1"),
            ],
            to: [.directory("", at: 3000), .file("newer", "2"), .file("older", "22")],
            gives: [.directory("", at: 3000), .file("newer", "1", at: 1005), .file("older", "22"), .file("new", "1")],
            ["update    newer (time)", "new file  new"]),
        RuleCase(
            "--checksum of links", ["--checksum"],
            from: [.directory("", at: 3000), .link("l", "here"), .link("m", "there")],
            to: [.directory("", at: 3000), .link("l", "nowhere"), .link("m", "there")], ["update    l (target)"]),
    ]

    private static let choosing: [RuleCase] = [
        RuleCase(
            "--existing", ["--existing"],
            from: [
                .directory("", at: 3000), .file("a", "11"), .file("b", "1"), .directory("d"), .file("d/c", "1"),
                .directory("n"), .file("n/x", "1"), .link("l", "a"),
            ],
            to: [.directory("", at: 3000), .file("a", "1"), .directory("d")],
            gives: [.directory("", at: 3000), .file("a", "11"), .directory("d")], ["update    a (size)"]),
        RuleCase("--existing where there is nothing", ["--existing"], from: tree, to: nil, gives: [], []),
        RuleCase(
            "--ignore-existing", ["--ignore-existing"],
            from: [.directory("", at: 3000), .file("a", "11"), .directory("d"), .file("d/b", "11"), .file("d/c", "1")],
            to: [.directory("", at: 3000), .file("a", "1"), .directory("d"), .file("d/b", "1")],
            gives: [.directory("", at: 3000), .file("a", "1"), .directory("d"), .file("d/b", "1"), .file("d/c", "1")],
            ["new file  d/c"]),
        RuleCase(
            "--exclude and --include",
            ["--exclude", "*.o", "--include", "keep.o", "--exclude", "/d/", "--exclude", "e/f"],
            from: [
                .directory("", at: 3000), .file("a.o", "1"), .file("keep.o", "1"), .directory("d"), .file("d/x", "1"),
                .directory("e"), .directory("e/d"), .file("e/d/y", "1"), .file("e/f", "1"),
            ], to: nil,
            gives: [
                .directory("", at: 3000), .file("keep.o", "1"), .directory("e"), .directory("e/d"), .file("e/d/y", "1"),
            ],
            ["new dir   .", "new file  keep.o", "new dir   e/", "new dir   e/d/", "new file  e/d/y"]),
        RuleCase(
            "--include alone", ["--include", "*.txt"],
            from: [
                .directory("", at: 3000), .file("a.txt", "1"), .file("b", "1"), .directory("d"), .file("d/c.txt", "1"),
            ],
            gives: [.directory("", at: 3000), .file("a.txt", "1"), .directory("d"), .file("d/c.txt", "1")],
            ["set       . (time)", "new file  a.txt", "new dir   d/", "new file  d/c.txt"]),
        RuleCase(
            "--exclude-from", ["--exclude-from", "../rules"],
            from: [.directory("", at: 3000), .file("a", "1"), .file("b~", "1")],
            gives: [.directory("", at: 3000), .file("a", "1")], ["set       . (time)", "new file  a"]),
    ]

    private static let full: [Thing] = [
        .directory("", at: 3000), .file("a", "1"), .file("old", "1"), .directory("gone"), .file("gone/x", "1"),
        .directory("gone/deep", mode: 0o500), .link("gone/l", "/etc"), .directory("d", at: 3001), .file("d/y", "1"),
    ]
    private static let little: [Thing] = [.directory("", at: 3000), .file("a", "1"), .directory("d", at: 3001)]
    private static let allDeleted = [
        "delete    old", "delete    gone/x", "delete    gone/deep/", "delete    gone/l", "delete    gone/",
        "delete    d/y",
    ]

    private static let deleting: [RuleCase] = [
        RuleCase("--delete", ["--delete"], from: little, to: full, allDeleted),
        RuleCase("without --delete all stays", from: little, to: full, gives: full, []),
        RuleCase("--max-delete that is enough", ["--delete", "--max-delete", "6"], from: little, to: full, allDeleted),
        RuleCase(
            "--max-delete that is not", ["--delete", "--max-delete", "5"], from: little, to: full, gives: full, []
        ).with {
            $0.status = 3
            $0.words = ["nothing is deleted: it would be 6, and --max-delete is 5"]
        },
        RuleCase(
            "--delete of everything is refused", ["--delete"],
            from: [.directory("", at: 3000), .file("other", "1")],
            to: [.directory("", at: 3000), .file("a", "1"), .file("b", "1")],
            gives: [.directory("", at: 3000), .file("other", "1"), .file("a", "1"), .file("b", "1")],
            ["new file  other"]
        ).with {
            $0.status = 3
            $0.words = ["nothing is deleted", "--max-delete 2 allows it"]
            // By then something of the source is there.
            $0.again = nil
        },
        RuleCase(
            "an empty source is not the target's end", ["--delete"], from: [.directory("", at: 3000)], to: full,
            gives: full, []
        )
        .with {
            $0.status = 1
            $0.words = ["nothing is deleted", "--max-delete 8 allows it"]
        },
        RuleCase(
            "--delete of everything with leave", ["--delete", "--max-delete", "8"], from: [.directory("", at: 3000)],
            to: full, allDeleted + ["delete    a", "delete    d/"]),
        RuleCase(
            "--delete leaves what is excluded", ["--delete", "--exclude", "*.keep"],
            from: [.directory("", at: 3000), .file("a", "1"), .file("b.keep", "1")],
            to: [
                .directory("", at: 3000), .file("a", "1"), .file("c.keep", "2"), .file("x", "1"), .directory("d"),
                .file("d/e.keep", "1"), .file("d/f", "1"),
            ],
            gives: [
                .directory("", at: 3000), .file("a", "1"), .file("c.keep", "2"), .directory("d", at: nil),
                .file("d/e.keep", "1"),
            ],
            ["delete    x", "delete    d/f"]),
        RuleCase(
            "--delete with --existing", ["--delete", "--existing"],
            from: [.directory("", at: 3000), .file("a", "1"), .file("n", "1")],
            to: [.directory("", at: 3000), .file("a", "1"), .file("x", "1")],
            gives: [.directory("", at: 3000), .file("a", "1")],
            ["delete    x"]),
    ]

    private static let linked: [Thing] = [
        .directory("", at: 3000), .file("a", "one"), .hardLink("b", to: "a"), .directory("d"),
        .hardLink("d/c", to: "a"),
    ]

    private static let linking: [RuleCase] = [
        RuleCase("-H", from: linked, to: nil, nil).with { $0.named = ["-rpH"] },
        RuleCase("-a is -r -p -H", from: linked, to: nil, nil).with { $0.named = ["-a"] },
        RuleCase(
            "without -H each is a file of its own", from: linked, to: nil,
            gives: [
                .directory("", at: 3000), .file("a", "one"), .file("b", "one"), .directory("d"), .file("d/c", "one"),
            ],
            ["new dir   .", "new file  a", "new file  b", "new dir   d/", "new file  d/c"]
        ).with { $0.operations = [.get, .put] },
        RuleCase(
            "-H of files that are there", from: linked,
            to: [.directory("", at: 3000), .file("a", "one"), .file("b", "one"), .directory("d"), .file("d/c", "one")],
            nil
        ).with { $0.named = ["-rpH"] },
        RuleCase(
            "-H of a file that has changed", from: linked,
            to: [
                .directory("", at: 3000), .file("a", "1"), .hardLink("b", to: "a"), .directory("d"),
                .hardLink("d/c", to: "a"),
            ], nil
        ).with { $0.named = ["-rpH"] },
        RuleCase(
            "-H of files that are separate in the source",
            from: [.directory("", at: 3000), .file("a", "11"), .file("b", "2")],
            to: [.directory("", at: 3000), .file("a", "2"), .hardLink("b", to: "a")], ["update    a (size)"]
        ).with { $0.named = ["-rpH"] },
        RuleCase(
            "-H with one name excluded", ["--exclude", "/a"], from: linked, to: nil,
            gives: [.directory("", at: 3000), .file("b", "one"), .directory("d"), .hardLink("d/c", to: "b")],
            ["new dir   .", "new file  b", "new dir   d/", "hardlink  d/c"]
        ).with { $0.named = ["-rpH"] },
        RuleCase(
            "-H with a name that is left alone", ["--ignore-existing"],
            from: [.directory("", at: 3000), .file("a", "one"), .directory("d"), .hardLink("d/b", to: "a")],
            to: [.directory("", at: 3000), .file("a", "other")],
            gives: [.directory("", at: 3000), .file("a", "other"), .directory("d"), .file("d/b", "one")],
            ["new dir   d/", "new file  d/b"]
        ).with { $0.named = ["-rpH"] },
    ]

    private static let conflicting: [RuleCase] = [
        RuleCase(
            "a file where a directory is",
            from: [.directory("", at: 3000), .file("x", "1"), .file("y", "1")],
            to: [.directory("", at: 3000), .directory("x"), .file("x/in", "1")],
            gives: [.directory("", at: 3000), .directory("x"), .file("x/in", "1"), .file("y", "1")], nil
        ).with {
            $0.status = 3
            $0.words = ["/x: is a directory (--delete replaces it)"]
            $0.again = nil
        },
        RuleCase(
            "a directory where a file is",
            from: [.directory("", at: 3000), .directory("x"), .file("x/in", "1"), .file("y", "1")],
            to: [.directory("", at: 3000), .file("x", "1")],
            gives: [.directory("", at: 3000), .file("x", "1"), .file("y", "1")], nil
        ).with {
            $0.status = 3
            $0.words = ["/x: is there, and not a directory (--delete replaces it)"]
            $0.again = nil
        },
        RuleCase(
            "a link to a directory is not followed",
            from: [.directory("", at: 3000), .directory("x"), .file("x/in", "1"), .directory("real"), .link("f", "a")],
            to: [.directory("", at: 3000), .link("x", "real"), .directory("real"), .link("f", "real")],
            gives: [.directory("", at: 3000), .link("x", "real"), .directory("real"), .link("f", "a")], nil
        ).with {
            $0.status = 3
            $0.words = ["/x: is there, and not a directory"]
            $0.again = nil
        },
        RuleCase(
            "--delete replaces what is of another kind", ["--delete"],
            from: [
                .directory("", at: 3000), .file("x", "1"), .directory("y"), .file("y/in", "1"), .directory("z"),
                .file("z/in", "2"),
                .directory("real"), .file("l", "1"), .link("m", "x"),
            ],
            to: [
                .directory("", at: 3000), .directory("x"), .file("x/in", "1"), .file("y", "1"), .link("z", "real"),
                .directory("real"),
                .link("l", "real"), .file("m", "1"),
            ],
            [
                "delete    x/in", "delete    x/", "update    x (type)", "delete    y", "new dir   y/ (type)",
                "new file  y/in",
                "delete    z", "new dir   z/ (type)", "new file  z/in", "update    l (type)", "update    m (type)",
            ]),
        RuleCase(
            "--delete that would be too much to make way", ["--delete", "--max-delete", "1"],
            from: [.directory("", at: 3000), .file("x", "1")],
            to: [.directory("", at: 3000), .directory("x"), .file("x/in", "1")],
            gives: [.directory("", at: 3000), .directory("x"), .file("x/in", "1")], nil
        ).with {
            $0.status = 1
            $0.words = ["is in the way, and more to delete than --max-delete 1"]
            $0.again = nil
        },
    ]
}
