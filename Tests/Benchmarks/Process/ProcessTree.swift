import Glibc
import TestSupport

/// Seconds that processors worked for something.
struct ProcessorTime: Codable, Sendable {
    var user = 0.0
    var system = 0.0

    var total: Double { user + system }

    static func + (a: ProcessorTime, b: ProcessorTime) -> ProcessorTime {
        ProcessorTime(user: a.user + b.user, system: a.system + b.system)
    }
    /// Never negative: a process may have left between two looks.
    static func - (a: ProcessorTime, b: ProcessorTime) -> ProcessorTime {
        ProcessorTime(user: max(0, a.user - b.user), system: max(0, a.system - b.system))
    }
}

/// A process and all below it, as proc(5) has them at one moment.
struct ProcessTree {
    private let members: [pid_t]

    init(_ root: pid_t) {
        var found = [root]
        var next = 0
        while next < found.count {
            let process = found[next]
            next += 1
            for thread in names(in: "/proc/\(process)/task") {
                let children = processFile("/proc/\(process)/task/\(thread)/children")
                found += children.split(separator: " ").compactMap { pid_t($0) }
            }
        }
        members = found
    }

    /// The topmost process whose name begins like that.
    func first(named name: String) -> pid_t? {
        members.first { Self.status($0)["Name"]?.first?.hasPrefix(name) ?? false }
    }

    var count: Int { members.count }

    /// What all of them used, and those that were waited for: a child that ends moves from the one to the other.
    var time: ProcessorTime {
        members.reduce(into: ProcessorTime()) { sum, process in
            let fields = Self.fields(process)
            // utime, stime, cutime, cstime are the fields 14 to 17.
            guard fields.count > 14 else { return }
            sum.user += (fields[11] + fields[13]) / Self.ticks
            sum.system += (fields[12] + fields[14]) / Self.ticks
        }
    }

    /// Of the process itself alone, without its children.
    static func time(of process: pid_t) -> ProcessorTime {
        let fields = fields(process)
        guard fields.count > 12 else { return ProcessorTime() }
        return ProcessorTime(user: fields[11] / ticks, system: fields[12] / ticks)
    }

    private static let ticks = Double(sysconf(Int32(_SC_CLK_TCK)))

    /// Those of `stat` from the third on: the second is the name in parentheses, and may have anything in it.
    private static func fields(_ process: pid_t) -> [Double] {
        let after = processFile("/proc/\(process)/stat").split(separator: ")").last ?? ""
        return after.split(separator: " ").map { Double($0) ?? 0 }
    }

    /// The largest resident set so far of each program by its name, in bytes; of several with one name the largest.
    var peaks: [String: Int] {
        var peaks: [String: Int] = [:]
        for process in members {
            let status = Self.status(process)
            guard let name = status["Name"]?.first, let kibibytes = status["VmHWM"]?.first.flatMap({ Int($0) }) else {
                continue
            }
            peaks[name] = max(peaks[name] ?? 0, kibibytes << 10)
        }
        return peaks
    }

    /// Resident bytes now.
    static func resident(_ process: pid_t) -> Int? {
        status(process)["VmRSS"]?.first.flatMap { Int($0) }.map { $0 << 10 }
    }

    /// Has VmHWM begin anew: proc(5), clear_refs.
    static func forgetPeak(_ process: pid_t) { try? write("5", to: "/proc/\(process)/clear_refs", mode: 0o200) }

    private static func status(_ process: pid_t) -> [String: [String]] {
        var fields: [String: [String]] = [:]
        for line in processFile("/proc/\(process)/status").split(separator: "\n") {
            guard let colon = line.firstIndex(of: ":") else { continue }
            fields[String(line[..<colon])] = line[line.index(after: colon)...]
                .split { $0 == " " || $0 == "\t" }.map(String.init)
        }
        return fields
    }
}
