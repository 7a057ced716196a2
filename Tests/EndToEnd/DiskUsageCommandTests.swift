import Glibc
import TestSupport
import Testing

/// `xfer du`, beside du(1) on the same directory.
@Suite(.notInTheLab)
struct DiskUsageCommandTests {
    /// A tree with files of many sizes, links of both kinds, holes, and more directories than are walked at once.
    private func fill(_ directory: String) throws {
        for index in 0..<60 {
            mkdir("\(directory)/d\(index)", 0o755)
            for inner in 0..<3 {
                mkdir("\(directory)/d\(index)/e\(inner)", 0o755)
                try write(pattern(index * 977 + inner), to: "\(directory)/d\(index)/e\(inner)/f")
            }
        }
        mkdir(directory + "/links", 0o755)
        try write(pattern(50000), to: directory + "/links/0")
        for index in 1..<40 { link(directory + "/links/0", "\(directory)/links/\(index)") }
        try sparse(directory + "/d3/holes", 1 << 30)
        symlink("abc", directory + "/d4/link")
        var deep = directory
        for _ in 0..<50 {
            deep += "/x"
            mkdir(deep, 0o755)
        }
        try write("x", to: deep + "/f")
    }

    /// Lines of du, whichever of a file's names it is counted under.
    private func lines(
        _ ended: Ended, _ prefix: String, sourceLocation: SourceLocation = #_sourceLocation
    ) -> Set<String> {
        expectDone(ended, sourceLocation: sourceLocation)
        let lines = ended.output.split(separator: "\n").map { $0.split(separator: "\t").map(String.init) }
            .map { [$0[0], String($0[1].dropFirst(prefix.count))].joined(separator: " ") }
        #expect(Set(lines).count == lines.count, sourceLocation: sourceLocation)
        return Set(lines.filter { !$0.contains("/links/") })
    }

    @Test(arguments: Layer.available, ["/dev/shm", "/tmp"]) func asDuCounts(layer: Layer, place: String) throws {
        var setup = Site.Setup()
        setup.place = place
        try withSite(layer, setup) { site in
            try fill(site.data)
            for options in [[], ["-a"], ["-s"], ["-d", "1"], ["-d", "0"], ["-a", "-d", "2"]] {
                let expected = try RunningProgram(["du", "-B1"] + options + [site.data]).wait()
                let found = try site.start("du", options + ["localhost:/data"]).wait()
                let (ours, theirs) = (lines(found, "localhost:/data"), lines(expected, site.data))
                #expect(ours == theirs, "\(options): \(ours.symmetricDifference(theirs).sorted())")
            }
            // A directory after all that is in it, the top last.
            let order = try site.xfer("du", "localhost:/data").output.split(separator: "\n")
            #expect(order.last?.hasSuffix("\tlocalhost:/data") == true)
            let inner = order.firstIndex { $0.hasSuffix("/d7/e2") } ?? .max
            let outer = order.firstIndex { $0.hasSuffix("/d7") } ?? -1
            #expect(inner < outer)
        }
    }

    @Test func numbersOfEveryKind() throws {
        try withSite(.user) { site in
            try fill(site.data)
            let sizes = (0..<60).flatMap { index in (0..<3).map { index * 977 + $0 } }.reduce(0, +)
            let apparent = sizes + 50000 + (1 << 30) + 3 + 1
            #expect(
                try site.xfer("du", "-s", "--apparent-size", "localhost:/data").output
                    == "\(apparent)\tlocalhost:/data\n")
            #expect(
                try site.xfer("du", "-sh", "--apparent-size", "localhost:/data").output == "1.1G\tlocalhost:/data\n")
            let json = try site.xfer("du", "-s", "--json", "localhost:/data")
            #expect(json.output.hasPrefix(#"{"path":"localhost:/data","used":"#), "\(json)")
            #expect(json.output.hasSuffix(#""apparent":\#(apparent),"files":184,"directories":292}"# + "\n"), "\(json)")
            // A file with several names counts once over all places.
            let file = try site.xfer("du", "--apparent-size", "localhost:/data/links/7", "localhost:/data/links")
            #expect(file.output == "50000\tlocalhost:/data/links/7\n0\tlocalhost:/data/links\n")
        }
    }

    @Test func unfinishedCopiesCountWhenAskedFor() throws {
        try withSite(.user) { site in
            try write(pattern(1000), to: site.data + "/f")
            try write(pattern(5000), to: site.data + "/.big.abcdefghij.xfer")
            try write(pattern(7), to: site.data + "/.hidden")
            func sum(_ options: String...) throws -> String {
                try site.start("du", ["-s", "--apparent-size"] + options + ["localhost:/data"]).wait().output
            }
            #expect(try sum() == "1007\tlocalhost:/data\n")
            #expect(try sum("--unfinished") == "6007\tlocalhost:/data\n")
        }
    }
}
