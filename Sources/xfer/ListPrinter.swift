import NFS
import Synchronization
import Transfer

/// How `xfer ls` writes entries: names, long lines with columns as wide as a page of them needs, or JSON.
final class ListPrinter: Sendable {
    private let output: Output
    private let long: Bool
    private let human: Bool
    private let json: Bool
    /// Directories have their names above them.
    private let several: Bool

    private struct State {
        var page: [(columns: [String], rest: [UInt8])] = []
        var hasBegun = false
    }
    private let state = Mutex(State())

    /// Lines that share their columns' widths: a directory may have more than memory holds.
    private static let page = 1000

    init(_ output: Output, long: Bool, human: Bool, json: Bool, several: Bool) {
        self.output = output
        self.long = long
        self.human = human
        self.json = json
        self.several = several
    }

    /// What is no directory, or is listed itself.
    func single(_ name: FileName, _ listing: Listing, place: String) throws {
        try write(name, listing, place: FileName(place))
        try end()
    }

    /// A directory's entries follow.
    func begin(_ path: FileName) throws {
        let hasBegun = state.withLock { state in
            defer { state.hasBegun = true }
            return state.hasBegun
        }
        guard several, !json else { return }
        if hasBegun { try output.line("") }
        try output.line(output.shown(path) + [UInt8(ascii: ":")])
    }

    func entry(_ listing: Listing, place: FileName) throws { try write(listing.name, listing, place: place) }

    /// All of a directory has been given.
    func end() throws {
        let page = state.withLock { state in
            defer { state.page.removeAll(keepingCapacity: true) }
            return state.page
        }
        var widths: [Int] = []
        for line in page {
            for (index, column) in line.columns.enumerated() {
                if index < widths.count {
                    widths[index] = max(widths[index], column.count)
                } else {
                    widths.append(column.count)
                }
            }
        }
        for line in page {
            let columns = zip(line.columns, widths).map { String(repeating: " ", count: $1 - $0.count) + $0 }
            try output.line(Array((columns.joined(separator: " ") + " ").utf8) + line.rest)
        }
    }

    private func write(_ name: FileName, _ listing: Listing, place: FileName) throws {
        let attributes = listing.attributes
        if json {
            return try output.line(
                .object(
                    JSON.members("path", place) + JSON.members("name", listing.name)
                        + AttributeText.members(attributes)
                        + (listing.link.map { JSON.members("target", $0) } ?? [])))
        }
        guard long else {
            state.withLock { $0.hasBegun = true }
            return try output.line(output.shown(name))
        }
        let size =
            [.blockDevice, .characterDevice].contains(attributes.type)
            ? "\(attributes.deviceMajor),\(attributes.deviceMinor)"
            : human ? AttributeText.short(attributes.size) : "\(attributes.size)"
        let columns = [
            AttributeText.mode(attributes), "\(attributes.linkCount)", "\(attributes.uid)", "\(attributes.gid)", size,
            AttributeText.minute(attributes.modificationTime),
        ]
        let link = listing.link.map { Array(" -> ".utf8) + output.shown($0) } ?? []
        let isFull = state.withLock { state in
            state.hasBegun = true
            state.page.append((columns, output.shown(name) + link))
            return state.page.count >= Self.page
        }
        if isFull { try end() }
    }
}
