import Glibc
import TestSupport

/// What it is measured on: this is in the results.
struct Machine: Codable, Sendable {
    var system = ""
    var processor = ""
    var processors = 0
    var memoryMiB = 0
    /// User-mode Linux: a kernel that is a process.
    var isLab = false

    static func here() -> Machine {
        var machine = Machine()
        var name = utsname()
        uname(&name)
        let release = withUnsafeBytes(of: name.release) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
        machine.system = "Linux \(release)"
        machine.processors = sysconf(Int32(_SC_NPROCESSORS_ONLN))
        machine.memoryMiB = (sysconf(Int32(_SC_PHYS_PAGES)) * sysconf(Int32(_SC_PAGESIZE))) >> 20
        for line in contents(of: "/proc/cpuinfo").split(separator: "\n") where line.hasPrefix("model name") {
            machine.processor = line.split(separator: ":").last.map { $0.drop { $0 == " " } }.map(String.init) ?? ""
            break
        }
        machine.isLab = getenv("TLSD_LAB") != nil
        return machine
    }

    /// Bytes that can be had without swapping: proc(5), MemAvailable.
    static var availableMemory: Int {
        for line in contents(of: "/proc/meminfo").split(separator: "\n") where line.hasPrefix("MemAvailable:") {
            return line.split(separator: " ").dropFirst().first.flatMap { Int($0) }.map { $0 << 10 } ?? 0
        }
        return 0
    }

    /// What the programs need besides the files.
    private static let reserve = 1 << 30

    /// Bytes that a file system has left.
    private static func free(in place: String) throws -> Int {
        var status = statvfs()
        guard statvfs(place, &status) == 0 else { throw Unexpected("\(place): \(String(cString: strerror(errno)))") }
        return Int(status.f_bavail) * Int(status.f_frsize)
    }

    /// Bytes that a memory file system, and the memory behind it, have left.
    static func room(in place: String) throws -> Int { min(try free(in: place), availableMemory) }

    /// - Throws: where a memory file system, or the memory behind it, has not so many bytes left.
    static func requireRoom(_ needed: Int, in place: String) throws {
        let free = try free(in: place)
        guard free >= needed else {
            throw Unexpected("\(place) has \(free >> 20) MiB left, and \(needed >> 20) MiB are needed")
        }
        guard availableMemory >= needed + reserve / (getenv("TLSD_LAB") == nil ? 1 : 4) else {
            throw Unexpected(
                "\(availableMemory >> 20) MiB of memory are left, too few for \(needed >> 20) MiB of files")
        }
    }
}
