import ArgumentParser
import Glibc
import NFS
import Transfer

struct List: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ls", abstract: "List what is on a server.", discussion: "  xfer ls -l server:/data")

    @OptionGroup var connection: ConnectionOptions

    @Flag(name: .short, help: "Mode, links, owner, group, size and modification time too.")
    var long = false

    @Argument(help: "A directory or file: host:/export/path.")
    var path: String

    func run() async throws {
        guard let name = try Place.remote(path) else {
            throw UsageError("'\(path)' is a local path; what to list is written host:/export/path")
        }
        let entries = try await connection.withRemote(name) { try await Listing.read($0, path: name.path) }
        let width = entries.map { "\($0.attributes.size)".count }.max() ?? 0
        for entry in entries { print(long ? Self.line(entry, width) : Self.printable(entry.name)) }
        guard fflush(nil) == 0 else {
            throw TransferError(.local, "the list cannot be written: \(String(cString: strerror(errno)))")
        }
    }

    private static func line(_ entry: Listing, _ width: Int) -> String {
        let attributes = entry.attributes
        let size = "\(attributes.size)"
        let link = entry.link.map { " -> \(printable($0))" } ?? ""
        return
            "\(mode(attributes)) \(attributes.linkCount) \(attributes.uid) \(attributes.gid) \(String(repeating: " ", count: width - size.count))\(size) \(time(attributes.modificationTime)) \(printable(entry.name))\(link)"
    }

    /// A name from a server, without what would do things to a terminal.
    static func printable(_ name: FileName) -> String {
        String(
            name.description.unicodeScalars.map { scalar in
                scalar.properties.generalCategory == .control ? "?" : Character(scalar)
            })
    }

    private static func mode(_ attributes: FileAttributes) -> String {
        let type: Character =
            switch attributes.type {
            case .directory: "d"
            case .symbolicLink: "l"
            case .blockDevice: "b"
            case .characterDevice: "c"
            case .fifo: "p"
            case .socket: "s"
            default: "-"
            }
        let bits = zip(0..<9, "rwxrwxrwx").map { index, letter in
            attributes.mode & (0o400 >> UInt32(index)) != 0 ? letter : "-"
        }
        return String([type] + bits)
    }

    private static func time(_ time: NFSTime) -> String {
        var seconds = time_t(time.seconds)
        var parts = tm()
        localtime_r(&seconds, &parts)
        var text = [CChar](repeating: 0, count: 32)
        let count = strftime(&text, text.count, "%Y-%m-%d %H:%M", &parts)
        return String(decoding: text.prefix(count).map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
