import ArgumentParser
import Foundation

/// What all benchmarks take.
struct CommonOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Where results.json and report.html go.", valueName: "directory"))
    var output = ".build/bench"

    @Option(help: ArgumentHelp("A directory in a memory file system, for the files.", valueName: "directory"))
    var place = "/dev/shm"

    @Flag(help: "Fail where a target is missed.")
    var check = false

    /// The directory of the results, made, from the root on.
    func absoluteOutput() throws -> String {
        try FileManager.default.createDirectory(atPath: output, withIntermediateDirectories: true)
        return URL(fileURLWithPath: output).path
    }

    /// Writes the results down, shows them, and fails where `--check` has it.
    func finish(_ section: Results.Section, as name: String) throws {
        try Results.store(section, as: name, in: output)
        print(Table.text(section))
        print("\(output)/report.html")
        if check, section.targets.contains(where: { !$0.isMet }) { throw ExitCode(1) }
    }
}
