import NFS
import Testing

@testable import Transfer

@Suite struct ComparisonTests {
    private static func thing(
        _ type: FileType = .regular, size: UInt64 = 100,
        time: NFSTime = NFSTime(seconds: 5000 as UInt32, nanoseconds: 7),
        mode: UInt32 = 0o644, uid: UInt32 = 1, gid: UInt32 = 2
    ) -> FileAttributes {
        FileAttributes(
            type: type, mode: mode, linkCount: 1, uid: uid, gid: gid, size: size, used: size, fileSystem: 1, fileID: 1,
            accessTime: time, modificationTime: time, changeTime: time)
    }

    /// Both ways of each rule about files, each way that a target may differ: 1152 times what a person would say.
    @Test func everyCombinationForFiles() {
        func bit(_ number: Int, _ position: Int) -> Bool { number >> position & 1 == 1 }
        let times: [(UInt32, isNewer: Bool, isSame: Bool)] = [
            (5000, false, true), (4000, false, false), (6000, true, false),
        ]
        var seen = 0
        for word in 0..<128 {
            var rules = CopyRules()
            (rules.checksum, rules.sizeOnly, rules.ignoreTimes) = (bit(word, 0), bit(word, 1), bit(word, 2))
            (rules.update, rules.existing, rules.ignoreExisting) = (bit(word, 3), bit(word, 4), bit(word, 5))
            rules.preserve = bit(word, 6)
            #expect(
                Comparison.decide(source: Self.thing(), target: nil, rules: rules)
                    == (rules.existing ? .skip(.notThere) : .copy([])))
            for (seconds, isNewer, isSameTime) in times {
                for isSameSize in [true, false] {
                    for isSameContent in [nil, true, false] as [Bool?] {
                        let target = Self.thing(
                            size: isSameSize ? 100 : 101, time: NFSTime(seconds: seconds, nanoseconds: 7))
                        let decision = Comparison.decide(
                            source: Self.thing(), target: target, rules: rules, isSameContent: isSameContent)
                        seen += 1
                        let byTime = !rules.checksum && !rules.sizeOnly && !isSameTime
                        let rest: Decision = rules.preserve && !isSameTime ? .attributesOnly([.time]) : .unchanged
                        let wanted: Decision =
                            if rules.ignoreExisting {
                                .skip(.there)
                            } else if rules.update && isNewer {
                                .skip(.newer)
                            } else if !isSameSize || byTime || rules.ignoreTimes {
                                .copy((isSameSize ? [] : [.size]) + (byTime ? [.time] : []))
                            } else if rules.checksum {
                                switch isSameContent {
                                case nil: .needsChecksum
                                case true: rest
                                default: .copy([.content])
                                }
                            } else {
                                rest
                            }
                        #expect(decision == wanted, "\(rules) \(seconds) \(isSameSize) \(isSameContent as Any)")
                    }
                }
            }
        }
        #expect(seen == 128 * 3 * 2 * 3)
    }

    @Test func anotherTypeIsAReasonWhateverTheTime() {
        var rules = CopyRules()
        (rules.update, rules.sizeOnly) = (true, true)
        let newer = NFSTime(seconds: 9000 as UInt32, nanoseconds: 0)
        for (source, target) in [
            (FileType.regular, FileType.directory), (.directory, .regular), (.symbolicLink, .regular),
            (.regular, .fifo),
        ] {
            let target = Self.thing(target, time: newer)
            #expect(Comparison.decide(source: Self.thing(source), target: target, rules: rules) == .copy([.type]))
        }
        rules.ignoreExisting = true
        #expect(
            Comparison.decide(source: Self.thing(.directory), target: Self.thing(.regular), rules: rules)
                == .skip(.there))
        #expect(
            Comparison.decide(source: Self.thing(.directory), target: Self.thing(.directory), rules: rules)
                == .unchanged)
    }

    /// Its fraction was cut off on the way: that does not make the target the newer or the older one.
    @Test func newerByWhatOneSideCannotSayIsNotNewer() {
        var rules = CopyRules()
        rules.update = true
        let source = Self.thing(time: NFSTime(seconds: 5000 as UInt32, nanoseconds: 0))
        #expect(Comparison.decide(source: source, target: Self.thing(size: 101), rules: rules) == .copy([.size]))
        #expect(Comparison.decide(source: source, target: Self.thing(), rules: rules) == .unchanged)
    }

    @Test(arguments: [FileType.fifo, .socket, .blockDevice, .characterDevice]) func specialFilesStay(type: FileType) {
        #expect(Comparison.decide(source: Self.thing(type), target: nil, rules: CopyRules()) == .skip(.special))
    }

    @Test func aLinkIsWhatItLeadsTo() {
        var rules = CopyRules()
        rules.preserve = true
        let (source, target) = (
            Self.thing(.symbolicLink), Self.thing(.symbolicLink, time: .init(seconds: 1, nanoseconds: 1))
        )
        #expect(Comparison.decide(source: source, target: target, rules: rules) == .needsChecksum)
        #expect(Comparison.decide(source: source, target: target, rules: rules, isSameContent: true) == .unchanged)
        #expect(
            Comparison.decide(source: source, target: target, rules: rules, isSameContent: false) == .copy([.target]))
        rules.owner = true
        let others = Self.thing(.symbolicLink, uid: 9)
        #expect(
            Comparison.decide(source: source, target: others, rules: rules, isSameContent: true)
                == .attributesOnly([.owner]))
    }

    @Test(
        arguments: [
            // source, target, whether the owner is kept, whether they are the same
            (.regular, 0o644, 0o600, false, false), (.regular, 0o644, 0o644, false, true),
            (.regular, 0o4755, 0o755, false, true), (.regular, 0o755, 0o4755, false, false),
            (.regular, 0o4755, 0o4755, false, false), (.regular, 0o4755, 0o4755, true, true),
            (.regular, 0o4755, 0o755, true, false), (.directory, 0o755, 0o2755, false, true),
            (.directory, 0o755, 0o2755, true, false), (.directory, 0o1777, 0o777, false, false),
        ] as [(FileType, UInt32, UInt32, Bool, Bool)])
    func modes(type: FileType, source: UInt32, target: UInt32, owner: Bool, isSame: Bool) {
        var rules = CopyRules()
        rules.owner = owner
        let (source, target) = (Self.thing(type, mode: source), Self.thing(type, mode: target))
        #expect(Comparison.decide(source: source, target: target, rules: rules) == .unchanged)
        rules.preserve = true
        #expect(
            Comparison.decide(source: source, target: target, rules: rules)
                == (isSame ? .unchanged : .attributesOnly([.mode])))
    }

    @Test func ownersCountWhereTheyAreKept() {
        var rules = CopyRules()
        rules.preserve = true
        for other in [Self.thing(uid: 7), Self.thing(gid: 7)] {
            rules.owner = false
            #expect(Comparison.decide(source: Self.thing(), target: other, rules: rules) == .unchanged)
            rules.owner = true
            #expect(Comparison.decide(source: Self.thing(), target: other, rules: rules) == .attributesOnly([.owner]))
        }
    }

    @Test(
        arguments: [
            ((10, 5), (10, 5), 0, true), ((10, 5), (10, 6), 0, false), ((10, 5), (11, 5), 0, false),
            // Microseconds and 100 ns at one side
            ((10, 123_456_789), (10, 123_456_000), 0, true), ((10, 123_456_789), (10, 123_457_000), 0, false),
            ((10, 123_456_789), (10, 123_456_700), 0, true), ((10, 123_456_789), (10, 123_455_000), 0, false),
            // Seconds, and two of them
            ((11, 999_999_999), (11, 0), 0, true), ((11, 5), (10, 0), 0, true), ((12, 5), (11, 0), 0, false),
            ((10, 5), (11, 0), 0, false), ((12, 5), (10, 0), 0, false), ((11, 0), (10, 0), 0, false),
            ((11, 0), (10, 0), 1, true), ((12, 1), (11, 0), 1, false), ((12, 1), (11, 0), 2, true),
            // What no clock shows
            ((10, 1_000_000_000), (11, 0), 0, true), ((.max, .max), (0, 0), 0, false),
            ((.max, .max), (0, 0), .max, false),
        ] as [((UInt32, UInt32), (UInt32, UInt32), UInt32, Bool)])
    func times(a: (UInt32, UInt32), b: (UInt32, UInt32), window: UInt32, isSame: Bool) {
        let (a, b) = (NFSTime(seconds: a.0, nanoseconds: a.1), NFSTime(seconds: b.0, nanoseconds: b.1))
        #expect(Comparison.isSame(a, b, window: window) == isSame)
        #expect(Comparison.isSame(b, a, window: window) == isSame)
    }
}
