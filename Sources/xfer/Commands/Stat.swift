import ArgumentParser
import NFS
import Transfer

struct Stat: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "stat", abstract: "Show all attributes of files, or the numbers of their file systems.",
        usage: "xfer stat [<options>] <path> ...",
        discussion: """
            Of a symbolic link its own are shown. Used is what a file takes on the server's disk.

              xfer stat server:/data/report.pdf
              xfer stat --json server:/data/a work:b | jq -r '[.path, .mtime] | @tsv'
              xfer stat -f server:/data                  # how much is free

            Exit status: 0 all shown, 1 nothing could be shown, 2 usage, 3 some could not be shown.
            """)

    @OptionGroup(title: "Connection") var connection: ConnectionOptions

    @Flag(name: [.customShort("f"), .customLong("file-system")], help: "The file system that holds it, not the file.")
    var fileSystem = false

    @Flag(name: .long, help: "One JSON object a line.")
    var json = false

    @Argument(
        help: ArgumentHelp("Files or directories: host:/export/path.", valueName: "path"),
        completion: PlaceCompletion.remote)
    var paths: [String]

    func run() async throws {
        let output = Output()
        let (fileSystem, json) = (fileSystem, json)
        try await Places(paths).run(connection, output, begin: {}) { remote, name, _, _ in
            if fileSystem {
                let numbers = try await FileSystemNumbers.read(remote, path: name.path)
                if json { return try output.line(Self.json(name, numbers)) }
                for line in Self.lines(name, numbers) { try output.line(line) }
                return
            }
            var options = Listing.Options()
            options.links = true
            let file = try await Listing.find(remote, path: name.path, options)
            if json {
                let members = [("path", JSON.string(name.description))] + AttributeText.members(file.attributes)
                return try output.line(.object(members + (file.link.map { JSON.members("target", $0) } ?? [])))
            }
            let link = file.link.map { Array(" -> ".utf8) + output.shown($0) } ?? []
            try output.line(Array("  File: ".utf8) + output.shown(FileName(name.description)) + link)
            for line in Self.lines(file.attributes) { try output.line(line) }
        }
    }

    private static func lines(_ attributes: FileAttributes) -> [String] {
        let device =
            [.blockDevice, .characterDevice].contains(attributes.type)
            ? "  Device type: \(attributes.deviceMajor),\(attributes.deviceMinor)" : ""
        return [
            "  Type: \(AttributeText.type(attributes.type))\(device)",
            "  Size: \(attributes.size)  Used: \(attributes.used)  Links: \(attributes.linkCount)",
            "    ID: file \(attributes.fileID)  file system \(String(attributes.fileSystem, radix: 16))",
            "Access: \(AttributeText.octal(attributes.mode)) \(AttributeText.mode(attributes))"
                + "  Uid: \(attributes.uid)  Gid: \(attributes.gid)",
            "Access: \(AttributeText.full(attributes.accessTime))",
            "Modify: \(AttributeText.full(attributes.modificationTime))",
            "Change: \(AttributeText.full(attributes.changeTime))",
        ]
    }

    // MARK: The file system

    private static let bytes = AttributeText.short

    private static func lines(_ name: RemoteName, _ numbers: FileSystemNumbers) -> [String] {
        let (space, limits) = (numbers.space, numbers.limits)
        var lines = [
            "  File: \(List.printable(FileName(name.description)))",
            "    ID: \(String(numbers.object.attributes.fileSystem, radix: 16))",
            " Bytes: total \(space.totalBytes) (\(bytes(space.totalBytes)))"
                + "  free \(space.freeBytes) (\(bytes(space.freeBytes)))  available \(space.availableBytes) (\(bytes(space.availableBytes)))",
            " Files: total \(space.totalFiles)  free \(space.freeFiles)  available \(space.availableFiles)",
            "  READ: at most \(limits.readMaximum)  preferred \(limits.readPreferred)"
                + "  multiple of \(limits.readMultiple)",
            " WRITE: at most \(limits.writeMaximum)  preferred \(limits.writePreferred)"
                + "  multiple of \(limits.writeMultiple)",
            "  File: at most \(limits.maximumFileSize) bytes"
                + "  times to \(limits.timeDelta.seconds).\(AttributeText.nanoseconds(limits.timeDelta)) s",
        ]
        if let names = numbers.names {
            lines.append(
                " Names: at most \(names.nameMaximum) bytes"
                    + "  \(names.caseInsensitive ? "case does not count" : "case counts")  links at most \(names.linkMaximum)"
            )
        }
        return lines
    }

    private static func json(_ name: RemoteName, _ numbers: FileSystemNumbers) -> JSON {
        let (space, limits) = (numbers.space, numbers.limits)
        var members: [(name: String, value: JSON)] = [
            ("path", .string(name.description)), ("fsid", .unsigned(numbers.object.attributes.fileSystem)),
            ("tbytes", .unsigned(space.totalBytes)), ("fbytes", .unsigned(space.freeBytes)),
            ("abytes", .unsigned(space.availableBytes)), ("tfiles", .unsigned(space.totalFiles)),
            ("ffiles", .unsigned(space.freeFiles)), ("afiles", .unsigned(space.availableFiles)),
            ("rtmax", .unsigned(UInt64(limits.readMaximum))), ("rtpref", .unsigned(UInt64(limits.readPreferred))),
            ("rtmult", .unsigned(UInt64(limits.readMultiple))), ("wtmax", .unsigned(UInt64(limits.writeMaximum))),
            ("wtpref", .unsigned(UInt64(limits.writePreferred))),
            ("wtmult", .unsigned(UInt64(limits.writeMultiple))),
            ("dtpref", .unsigned(UInt64(limits.directoryPreferred))),
            ("maxfilesize", .unsigned(limits.maximumFileSize)),
            ("properties", .unsigned(UInt64(limits.properties))),
        ]
        if let names = numbers.names {
            members += [
                ("linkmax", .unsigned(UInt64(names.linkMaximum))), ("name_max", .unsigned(UInt64(names.nameMaximum))),
                ("no_trunc", .bool(names.noTruncation)), ("chown_restricted", .bool(names.changeOwnerRestricted)),
                ("case_insensitive", .bool(names.caseInsensitive)), ("case_preserving", .bool(names.casePreserving)),
            ]
        }
        return .object(members)
    }
}
