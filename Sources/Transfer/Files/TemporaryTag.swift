import Glibc
import Kernel

/// Whose unfinished copies they are: seven digits for a user of a machine, three for one of that user's processes at a
/// time.
///
/// A process has the lowest number that none of the user's has, by a lock on a file that the kernel gives back when the
/// process ends, however it ends. So the next run finds what a killed one has left, and no two write to one file.
struct TemporaryTag: Hashable, Sendable {
    static let length = owners + slots
    private static let owners = 7
    private static let slots = 3

    let digits: [UInt8]

    /// - Returns: nil where these are not a tag's digits.
    init?(digits: [UInt8]) {
        guard digits.count == Self.length, digits.allSatisfy(NameHash.isDigit) else { return nil }
        self.digits = digits
    }

    private init(owner: [UInt8], slot: Int) { digits = owner + NameHash.number(UInt64(slot), digits: Self.slots) }

    /// This process's.
    static let own = slot.tag

    /// One that no other process has, nor finds again.
    static var random: TemporaryTag {
        TemporaryTag(
            owner: NameHash.number(.random(in: 0 ... .max), digits: owners), slot: .random(in: 0..<1 << 15))
    }

    /// Left by a process of this user that is gone, or this one's own from before.
    var isLeftOver: Bool {
        if self == .own { return true }
        guard let directory = Self.slot.directory,
            digits.prefix(Self.owners).elementsEqual(Self.own.digits.prefix(Self.owners))
        else { return false }
        for number in 0..<Self.processes
        where digits.suffix(Self.slots).elementsEqual(NameHash.number(UInt64(number), digits: Self.slots)) {
            return Self.lock(directory, number) != nil
        }
        return false
    }

    /// Processes of one user at once that are told apart.
    private static let processes = 1024

    private struct Slot: Sendable {
        let tag: TemporaryTag
        let directory: String?
        /// Held until the process ends.
        let lock: SharedDescriptor?
    }

    private static let slot: Slot = {
        for directory in directories {
            guard let inode = makeDirectory(directory) else { continue }
            let owner = NameHash.base32("\(machine) \(geteuid()) \(inode)".utf8, digits: owners)
            for number in 0..<processes {
                if let lock = lock(directory, number) {
                    return Slot(tag: TemporaryTag(owner: owner, slot: number), directory: directory, lock: lock)
                }
            }
        }
        // Nowhere to keep a lock.
        return Slot(tag: .random, directory: nil, lock: nil)
    }()

    /// The XDG base directory for state, and one in /tmp for users without a home.
    private static var directories: [String] {
        func value(_ name: String) -> String? {
            getenv(name).map { String(cString: $0) }.flatMap { $0.isEmpty ? nil : $0 }
        }
        let home = value("XDG_STATE_HOME") ?? value("HOME").map { $0 + "/.local/state" }
        return (home.map { [$0 + "/tlsd/copies"] } ?? []) + ["/tmp/tlsd-copies-\(geteuid())"]
    }

    /// What tells machines apart that share a home.
    private static var machine: String {
        var name = utsname()
        uname(&name)
        let host = withUnsafeBytes(of: name.nodename) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
        guard let file = try? Files.open("/etc/machine-id", O_RDONLY),
            let id = try? Files.read(file.raw, count: 64, at: 0)
        else { return host }
        return host + " " + String(decoding: id, as: UTF8.self)
    }

    /// mkdir -p, mode 0700.
    ///
    /// - Returns: its inode number; nil where it cannot be had or is not this user's alone.
    private static func makeDirectory(_ path: String) -> UInt64? {
        var at = ""
        for component in path.split(separator: "/") {
            at += "/\(component)"
            mkdir(at, 0o700)
        }
        var status = stat()
        guard path.hasPrefix("/"), lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR,
            status.st_uid == geteuid(), status.st_mode & 0o022 == 0
        else { return nil }
        return UInt64(status.st_ino)
    }

    private static func lock(_ directory: String, _ number: Int) -> SharedDescriptor? {
        guard
            let file = try? Files.open(
                "\(directory)/lock-\(number)", O_RDWR | O_CREAT | O_NOFOLLOW, mode: 0o600),
            flock(file.raw, LOCK_EX | LOCK_NB) == 0
        else { return nil }
        return SharedDescriptor(file)
    }
}
