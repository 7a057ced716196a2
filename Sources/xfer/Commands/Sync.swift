import ArgumentParser
import Transfer

struct Sync: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sync", abstract: "Make a directory the same as another one.",
        usage: "xfer sync [<options>] <source> ... <destination>",
        discussion: """
            Copies what differs, directories with all that is in them, modes, times and links as they are (-a is always on). \
            One side is on a server. The destination is a directory, made if there is none. A source that ends in a slash \
            stands for what is in it; without one the directory itself is put into the destination:

              xfer sync photos  server:/backup     # makes and updates /backup/photos
              xfer sync photos/ server:/backup     # what is in photos, in /backup

              xfer sync -n --delete server:/data/ data       # what would be done
              xfer sync --delete --max-delete 100 server:/data/ data

            -n and -i write a line for each change to standard output: new file, new dir, new link, update (with what \
            differs: size, time, content, type, target), set (mode, time, owner alone), hardlink, delete, fail; control \
            characters in names as \\ooo.

            \(Events.help)
            """)

    @OptionGroup(title: "Connection") var connection: ConnectionOptions
    @OptionGroup var copy: CopyArguments

    @Argument(
        help: ArgumentHelp("The source or sources, and the destination.", valueName: "source ... destination"),
        completion: PlaceCompletion.any)
    var places: [String]

    func run() async throws {
        guard places.count > 1, let last = places.last else {
            throw UsageError("a source and a destination are wanted: xfer sync SOURCE DESTINATION")
        }
        if let destination = try Place.remote(last) {
            let sources = try CopyPlaces.local(places.dropLast())
            try await copy.run(destination, connection, label: CopyPlaces.label(sources), .synchronized) {
                try await $0.put(sources, to: destination.path, .synchronized)
            }
        } else {
            let sources = try CopyPlaces.RemoteSources(places.dropLast())
            try await copy.run(sources.name, connection, label: sources.label, .synchronized) {
                try await $0.get(sources.sources, to: last, .synchronized)
            }
        }
    }
}
