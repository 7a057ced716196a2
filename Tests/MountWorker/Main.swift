import Glibc
import Synchronization
import TestSupport

/// SIGTERM has come.
private let stopped = Atomic(false)

/// Works in a mount, for tests that end the file server meanwhile.
///
///     mount-worker random PATH SEED OPERATIONS [local]
///     mount-worker journal PATH
///     mount-worker names DIRECTORY
///
/// A program of its own, as a process that has files or maps on a dead server cannot start that server again: closing
/// them in the new process waits for it, and so does mapping memory beside a page fault.
///
/// It prints `step N` for every step, and goes on until SIGTERM or, where OPERATIONS is not 0, as long as that says. Where
/// something is wrong it says so and ends with status 1.
@main
struct Main {
    static func main() {
        signal(SIGTERM) { _ in stopped.store(true, ordering: .relaxed) }
        let words = Array(CommandLine.arguments.dropFirst())
        do {
            switch words.first {
            case "random":
                guard words.count >= 4, let seed = UInt64(words[2]), let operations = Int(words[3]) else { usage() }
                var checker = try RandomFileChecker(words[1], seed: seed, direct: words.last != "local")
                try work(until: operations / 100) { for _ in 0..<100 { try checker.step() } }
                try checker.readBack()
            case "journal":
                guard words.count == 2 else { usage() }
                let journal = try Journal(words[1])
                try work { try journal.append() }
            case "names":
                guard words.count == 2 else { usage() }
                let names = try NameLoop(in: words[1])
                try work { try names.step() }
                try names.finish()
            default: usage()
            }
            say("done")
        } catch {
            fail("\(error)", status: 1)
        }
    }

    private static func work(until end: Int = 0, _ step: () throws -> Void) throws {
        var number = 0
        while end == 0 ? !stopped.load(ordering: .relaxed) : number < end {
            try step()
            number += 1
            say("step \(number)")
        }
    }

    /// At once, whatever stands behind the descriptor.
    private static func say(_ line: String, to descriptor: Int32 = STDOUT_FILENO) {
        let bytes = Array("\(line)\n".utf8)
        _ = write(descriptor, bytes, bytes.count)
    }

    private static func usage() -> Never { fail("mount-worker random|journal|names PATH ...", status: 2) }

    private static func fail(_ message: String, status: Int32) -> Never {
        say(message, to: STDERR_FILENO)
        exit(status)
    }
}
