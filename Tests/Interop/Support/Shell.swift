import TestSupport
import Testing

/// Runs a script of bash's in a directory; any command of it that fails ends it.
///
/// - Returns: its standard output.
/// - Throws: where it failed, with what it said.
@discardableResult
func shell(_ script: String, in directory: String, seconds: Double = 120) throws -> String {
    let ended = try RunningProgram(["bash", "-euo", "pipefail", "-c", script], directory: directory)
        .wait(seconds: seconds)
    guard ended.status == 0 else { throw Unexpected("bash: \(script): \(ended)") }
    return ended.output
}
