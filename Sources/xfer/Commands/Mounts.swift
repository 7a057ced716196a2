import ArgumentParser

struct Mounts: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "mounts", abstract: "List the short names that xfer mount gave.",
        discussion: """
              xfer mounts
              xfer mounts --json      # name, place, host, path, options
            """)

    @Flag(name: .long, help: "One JSON object on each line.")
    var json = false

    func run() async throws { try MountList.write(json: json) }
}
