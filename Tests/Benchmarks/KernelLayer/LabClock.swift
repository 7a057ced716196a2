import Foundation
import Glibc
import Kernel
import TestSupport

/// How long the user space of a lab works: seen from outside.
///
/// A user-mode kernel counts all time as user time, the work of its own in system calls too. But to this machine it is one
/// process, and each process in it is another: what these have of user time is that of user space alone. The guest says
/// when something begins and ends by making a file in a directory that both see, and is idle around it.
final class LabClock {
    private let marks: String

    init(marks: String) { self.marks = marks }

    // MARK: - Inside

    /// What a side has to be idle for, in microseconds, so that the other one sees a mark between two pieces of work.
    private static let pause: UInt32 = 250_000

    /// Runs `body` between two marks.
    func time(_ name: String, _ body: () throws -> Void) throws {
        usleep(Self.pause)
        try write("", to: "\(marks)/\(name).begin")
        usleep(Self.pause)
        try body()
        usleep(Self.pause)
        try write("", to: "\(marks)/\(name).end")
        usleep(Self.pause)
    }

    // MARK: - Outside

    /// Runs a lab to its end.
    ///
    /// - Returns: seconds of user time between the marks of each name.
    func run(_ command: [String]) throws -> [String: Double] {
        let lab = try Service(command)
        defer { lab.stop() }
        var seen: [String: Double] = [:]
        var told = 0
        while lab.program.ended == nil {
            for name in names(in: marks) where seen[name] == nil {
                seen[name] = Self.userSeconds(below: lab.process)
            }
            // What the guest says about its progress.
            let error = lab.program.error
            if error.utf8.count > told {
                FileHandle.standardError.write(Data(error.utf8.dropFirst(told)))
                told = error.utf8.count
            }
            usleep(10_000)
        }
        let ended = try lab.program.wait()
        guard ended.status == 0 || ended.status == 1 else { throw Unexpected("the lab failed: \(ended)") }
        var spans: [String: Double] = [:]
        for (name, begin) in seen where name.hasSuffix(".begin") {
            let base = String(name.dropLast(".begin".count))
            spans[base] = seen[base + ".end"].map { $0 - begin }
        }
        return spans
    }

    /// Of all processes below the user-mode kernel, but not of the kernel.
    private static func userSeconds(below process: pid_t) -> Double {
        let tree = ProcessTree(process)
        guard let kernel = tree.first(named: "linux") else { return 0 }
        return ProcessTree(kernel).time.user - ProcessTree.time(of: kernel).user
    }
}
