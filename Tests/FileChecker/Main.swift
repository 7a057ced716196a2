import Glibc
import Synchronization
import TestSupport

/// SIGTERM has come.
private let stopped = Atomic(false)

/// ``RandomFileChecker`` as a program: a thread that waits in a page fault for a file server would keep others of its
/// process from mapping memory, and so from starting that server again.
///
///     file-checker PATH SEED OPERATIONS [local]
///
/// With 0 operations it goes on until SIGTERM. It prints how many it has done, every hundred; where something is wrong
/// it says so and ends with status 1. At the end it reads the whole file once more.
@main
struct Main {
    static func main() {
        let arguments = CommandLine.arguments
        guard arguments.count >= 4, let seed = UInt64(arguments[2]), let operations = Int(arguments[3]) else {
            fail("file-checker PATH SEED OPERATIONS [local]", status: 2)
        }
        signal(SIGTERM) { _ in stopped.store(true, ordering: .relaxed) }
        do {
            var checker = try RandomFileChecker(arguments[1], seed: seed, direct: !arguments.contains("local"))
            while operations == 0 ? !stopped.load(ordering: .relaxed) : checker.operations < operations {
                try checker.step()
                if checker.operations % 100 == 0 { say("operations \(checker.operations)") }
            }
            let size = try checker.readBack()
            say("done: \(checker.operations) operations, \(size) bytes")
        } catch {
            fail("\(error)", status: 1)
        }
    }

    /// At once, whatever stands behind the descriptor.
    private static func say(_ line: String, to descriptor: Int32 = STDOUT_FILENO) {
        let bytes = Array("\(line)\n".utf8)
        _ = write(descriptor, bytes, bytes.count)
    }

    private static func fail(_ message: String, status: Int32) -> Never {
        say(message, to: STDERR_FILENO)
        exit(status)
    }
}
