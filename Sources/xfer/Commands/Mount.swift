import ArgumentParser
import Glibc
import NFS
import Transfer

struct MountCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "mount", abstract: "Give a directory on a server a short name.",
        usage: "xfer mount [<options>] [<place> <name>]",
        discussion: """
            The name and the options are kept in ~/.config/tlsd/mounts, which may be edited. Every command takes name:path \
            then, path being below the directory; its own -o options come after those of the name. Nothing is mounted in the \
            sense of mount(8). With a slash behind the colon it is a host as always: work:/export/path.

              xfer mount server:/data/work work -o cafile=ca.pem,cert=me.pem,key=me.key
              xfer get work:report.pdf .
              xfer mount                      # as xfer mounts
            """)

    @OptionGroup(title: "Connection") var connection: ConnectionOptions

    @Flag(name: .long, help: "Keep the name without trying whether the server is there and lets this user in.")
    var noCheck = false

    @Argument(help: "A directory: host:/export/path.", completion: PlaceCompletion.remote)
    var place: String?

    @Argument(help: "Its name: letters, digits, '.', '_' and '-'.")
    var name: String?

    func run() async throws {
        guard let place else { return try MountList.write(json: false) }
        guard let name else {
            throw UsageError("xfer mount \(place) NAME: the name to give it is missing")
        }
        guard let directory = getcwd(nil, 0) else {
            throw TransferError(.local, "the working directory: \(String(cString: strerror(errno)))")
        }
        defer { free(directory) }
        // A place below another name has that name's options.
        guard let remote = try Place.remote(place) else {
            throw UsageError("'\(place)' is a local path; what to mount is written host:/export/path")
        }
        let options = try MountedName.absolute(remote.options + connection.o, in: String(cString: directory))
        let mounted = try MountedName(name, place: remote.description, options: options)
        let file = Place.file
        try check(mounted, in: file.read())
        if !noCheck {
            try await connection.withRemote(remote) { remote in
                let found = try await remote.find(mounted.place.path)
                guard found.attributes.type == .directory else {
                    throw TransferError(.server, "\(found.path): is not a directory, and a name stands for one")
                }
            }
        }
        StateDirectory.make(StateDirectory.client)
        try file.change { table in
            // Somebody else may have been faster.
            try check(mounted, in: table)
            if table[name] == nil { table.add(mounted) }
        }
    }

    /// The same again is no clash.
    private func check(_ mounted: MountedName, in table: MountTable) throws(UsageError) {
        guard let there = table[mounted.name], there != mounted else { return }
        throw UsageError(
            "'\(there.name)' is mounted already, as \(there.place)"
                + (there.place == mounted.place ? " with other options" : "")
                + ": xfer umount \(there.name) takes it away")
    }
}

/// What `xfer mounts` prints.
enum MountList {
    static func write(json: Bool) throws {
        let entries = try Place.file.read().entries
        if json {
            for entry in entries {
                print(
                    JSON.object([
                        ("name", .string(entry.name)), ("place", .string(entry.place.description)),
                        ("host", .string(entry.place.host)), ("path", .string(entry.place.path)),
                        ("options", .array(entry.options.split(separator: ",").map { .string(String($0)) })),
                    ]))
            }
        } else {
            func padded(_ text: String, _ width: Int) -> String {
                text + String(repeating: " ", count: max(0, width - text.count))
            }
            let names = entries.map(\.name.count).max() ?? 0
            let places = entries.map(\.place.description.count).max() ?? 0
            for entry in entries {
                let place = Messages.printable(entry.place.description)
                let line =
                    entry.options.isEmpty ? place : "\(padded(place, places))  \(Messages.printable(entry.options))"
                print("\(padded(entry.name, names))  \(line)")
            }
        }
        guard fflush(nil) == 0 else {
            throw TransferError(.local, "the list cannot be written: \(String(cString: strerror(errno)))")
        }
    }
}
