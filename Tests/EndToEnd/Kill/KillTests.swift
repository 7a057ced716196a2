import Checksums
import Glibc
import TestSupport
import Testing

/// SIGKILL at random moments of copies of a mixed tree: of the client, the server and the daemons in turn. What was
/// killed runs again, the same command as often as it takes. Afterwards the trees are the same, hard links and holes
/// too, and nothing else is there; at no time has a final name anything but an old or a new content.
///
/// TLSD_KILLS says how many times, TLSD_KILL_SEED where the random numbers begin.
@Suite(.serialized) struct KillTests {
    enum Direction: String, CaseIterable { case put, get }

    static let cases = Layer.available.filter { !Layer.isLab || $0 == .kernel }.flatMap { layer in
        Direction.allCases.map { (layer, $0) }
    }

    @Test(arguments: cases) func killedAtRandomMoments(layer: Layer, direction: Direction) throws {
        let count = number("TLSD_KILLS") ?? (Layer.isLab ? 20 : 200)
        let seed = UInt64(number("TLSD_KILL_SEED") ?? 4)
        let run = try KillRun(layer, direction, seed: seed)
        do {
            try run.kill(times: count)
        } catch {
            Issue.record("\(error); \(run.account)")
        }
        let (violations, changes, looks, lost) = try run.watcher.stop()
        print("\(direction): \(run.account); watched \(changes) changes and \(looks) contents")
        #expect(violations == [], "\(run.account)")
        // Some are needed to believe it.
        #expect(looks > changes / 20 && lost == 0)
        try run.site.stop()
    }

    private func number(_ variable: String) -> Int? { getenv(variable).flatMap { Int(String(cString: $0)) } }
}

/// One tree that is copied over and over, each time with some files changed, while something is killed.
private final class KillRun {
    let site: KillSite
    let watcher: NameWatcher
    private let direction: KillTests.Direction
    private let seed: UInt64
    private var random: RandomNumbers
    private let tree = MixedTree()
    /// Hard links, and the numbers of their files.
    private let furtherNames: [(path: RawPath, index: Int)]
    private let source: RawPath
    private let target: RawPath
    /// Of what each file of the source has.
    private var checksums: [Checksum]
    private var linkVersion = 1
    private var version = 1
    private var client: RunningProgram?
    private var isPrivate = false
    /// Changes of one undisturbed run.
    private var changesOfARun = 1
    private var changesAtStart = 0
    /// Whether a daemon was killed since the client's start, and whether calls of a killed one may still be under way.
    private var isDisturbed = false
    private var isAfterAKill = false
    // What happened
    private var kills: [KillSite.Victim: Int] = [:]
    private var copies = 0
    private var refusals = 0

    init(_ layer: Layer, _ direction: KillTests.Direction, seed: UInt64) throws {
        self.direction = direction
        self.seed = seed
        random = RandomNumbers(seed: seed)
        site = try KillSite(layer)
        let target = RawPath((direction == .put ? site.data : site.local) + "/tree")
        self.target = target
        source = RawPath((direction == .put ? site.local : site.data) + "/tree")
        let tree = tree
        furtherNames = tree.hardLinks.compactMap { path, file in
            tree.files.firstIndex { $0.path == file }.map { (path, $0) }
        }
        checksums = tree.files.map { NameWatcher.checksum(tree.content(of: $0, 1)) }
        try tree.build(1, in: source)
        // The target has old versions of some.
        for path in [RawPath("")] + tree.directories.prefix(2) {
            target.appending(path).withCString { _ = mkdir($0, 0o755) }
        }
        let replaced = tree.files.filter {
            $0.index % 2 == 0 && exists(target.appending($0.path).parent.text)
        }
        for file in replaced { try tree.write(file, 0, in: target) }
        watcher = try NameWatcher(target)
        for file in replaced { watcher.allow(file.path, NameWatcher.checksum(tree.content(of: file, 0))) }
        for file in tree.files { watcher.allow(file.path, checksums[file.index]) }
        for (path, index) in furtherNames { watcher.allow(path, checksums[index]) }
        for link in tree.links { watcher.allow(link.path, NameWatcher.checksum(linkTo: RawPath(link.texts[1]))) }
        try watcher.begin()
    }

    /// For messages.
    var account: String {
        let victims = KillSite.Victim.allCases.map { "\($0) \(kills[$0] ?? 0)" }.joined(separator: ", ")
        return "seed \(seed): killed \(victims); \(copies) copies came to their end, \(refusals) could not begin"
    }

    func kill(times count: Int) throws {
        // Undisturbed, to learn how much a run does.
        try start()
        try finish()
        try change(oneOf: 3)
        var left = count
        while left > 0 {
            if client == nil { try start() }
            guard let client else { return }
            guard waitForAMoment(client) else {
                // It was done before.
                if try finish() { try change(oneOf: 3) }
                continue
            }
            let victim = KillSite.Victim.allCases[left % KillSite.Victim.allCases.count]
            guard try kill(victim, client) else { continue }
            kills[victim, default: 0] += 1
            left -= 1
            guard watcher.violations.isEmpty else { break }
        }
        while !(try finish()) { try start() }
    }

    /// Waits until a random part of a run has been done, or for a moment soon after its start, when nothing is there yet.
    ///
    /// - Returns: false where the client ended before.
    private func waitForAMoment(_ client: RunningProgram) -> Bool {
        if Int.random(in: 0..<5, using: &random) == 0 {
            usleep(UInt32.random(in: 0..<60_000, using: &random))
            return client.ended == nil
        }
        let changes = Int.random(in: 0..<(changesOfARun * 3 / 4), using: &random)
        return watcher.wait(forChanges: watcher.changes + changes, unless: { client.ended != nil }, seconds: 120)
            && client.ended == nil
    }

    /// - Returns: false where there was nothing to kill.
    private func kill(_ victim: KillSite.Victim, _ running: RunningProgram) throws -> Bool {
        switch victim {
        case .client:
            running.signal(SIGKILL)
            let ended = try running.wait(seconds: 30)
            guard ended.status == 128 + SIGKILL else { return false }
            client = nil
            isAfterAKill = true
            // What was begun of it is then of an older version.
            if Int.random(in: 0..<4, using: &random) == 0 { try change(oneOf: 10) }
        case .tlscd where isPrivate:
            guard let daemon = KillSite.privateDaemon(of: running) else { return false }
            Glibc.kill(daemon, SIGKILL)
            isDisturbed = true
        default:
            try site.restart(victim)
            isDisturbed = true
        }
        return true
    }

    private func start() throws {
        changesAtStart = try watcher.settle()
        isDisturbed = false
        client =
            switch direction {
            case .put: try site.xfer("put", ["-a", "tree", "localhost:/data"], isPrivate: isPrivate)
            case .get: try site.xfer("get", ["-a", "localhost:/data/tree", "."], isPrivate: isPrivate)
            }
    }

    /// Waits until the client is done, and looks at what it made.
    ///
    /// - Returns: false where it could not begin, since what it needed was killed just then.
    @discardableResult
    private func finish() throws -> Bool {
        guard let running = client else { return false }
        let ended = try running.wait(seconds: 120)
        client = nil
        // Who could not begin says so; who has begun goes on.
        if ended.status == 1, isDisturbed, isAfterAKill ? true : try watcher.settle() == changesAtStart {
            refusals += 1
            return false
        }
        let changes = try watcher.settle() - changesAtStart
        if !isDisturbed && !isAfterAKill { changesOfARun = max(changes, 10) }
        isAfterAKill = false
        guard ended.status == 0 else { throw Unexpected("the client, which was not killed: \(ended)") }
        copies += 1
        let differences = try TreeComparison.differences(
            source, target, [.modes, .times, .owners, .hardLinks, .holes])
        guard differences.isEmpty else {
            throw Unexpected("source and target differ: \(differences.joined(separator: "; "))")
        }
        for file in tree.files {
            watcher.require(file.path, checksums[file.index])
        }
        for (path, index) in furtherNames { watcher.require(path, checksums[index]) }
        for link in tree.links {
            watcher.require(link.path, NameWatcher.checksum(linkTo: RawPath(link.texts[linkVersion % 2])))
        }
        isPrivate = Int.random(in: 0..<4, using: &random) == 0
        return true
    }

    /// Gives some of the source's files and its links other contents.
    private func change(oneOf: Int) throws {
        version += 1
        for file in tree.files where Int.random(in: 0..<oneOf, using: &random) == 0 {
            checksums[file.index] = NameWatcher.checksum(tree.content(of: file, version))
            watcher.allow(file.path, checksums[file.index])
            try tree.write(file, version, in: source)
        }
        for (path, index) in furtherNames { watcher.allow(path, checksums[index]) }
        try tree.writeHardLinks(in: source)
        linkVersion = version
        for link in tree.links {
            watcher.allow(link.path, NameWatcher.checksum(linkTo: RawPath(link.texts[version % 2])))
        }
        try tree.writeLinks(version, in: source)
        tree.finish(source)
    }
}
