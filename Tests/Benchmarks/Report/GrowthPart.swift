/// How the page shows what grows.
struct GrowthPart {
    let section: Results.Section
    let gnuplot: Gnuplot

    func parts() throws -> [String] {
        var parts = [Page.heading("As there is more of it"), Page.machine(section)]
        let sizes = Lines(
            horizontal: "size of the file", vertical: "processor seconds for each GB, both ends",
            lines: lines(["growth-fetch-large": "fetch", "growth-push-large": "push"], \.cost), isLogarithmic: true,
            place: { Self.bytes($0) })
        parts += try chapter("A GB of ever larger files", "", sizes, ["growth-fetch-large", "growth-push-large"])
        let files = Lines(
            horizontal: "files in the tree, 4 KiB each", vertical: "processor seconds for 1,000 files, both ends",
            lines: lines(["growth-fetch-small": "fetch", "growth-push-small": "push"], \.cost),
            place: { Progress.number($0) })
        parts += try chapter("A file of ever larger trees", "", files, ["growth-fetch-small", "growth-push-small"])
        let clients = Lines(
            horizontal: "clients at once, which share one GB", vertical: "GB/s of all together",
            lines: lines(["growth-clients": ""], \.rate), place: { Progress.number($0) })
        parts += try chapter(
            "Ever more clients at once",
            "Processes are started and end within the time; sessions of one process are connected before.", clients,
            ["growth-clients", "growth-connect"])
        let delays = Lines(
            horizontal: "round trip", vertical: "GB/s",
            lines: lines(["growth-delay-fetch-large": "fetch", "growth-delay-push-large": "push"], \.rate),
            place: { "\(Progress.number($0)) ms" })
        parts += try chapter(
            "Over ever longer paths",
            "A relay hands on every byte so much later and limits nothing else; TCP itself sees no delay.", delays,
            ["growth-delay-fetch-large", "growth-delay-push-large"])
        let cat = section.measurements.filter { $0.subject == "growth-cat" }
        if !cat.isEmpty { parts.append(Page.chapter("Read and thrown away", "", "", Page.table(cat, isOpen: true))) }
        if !section.targets.isEmpty { parts.append(Page.targets(section.targets)) }
        if !section.notes.isEmpty { parts.append(Page.notes(section.notes)) }
        return parts
    }

    private func chapter(_ title: String, _ text: String, _ lines: Lines, _ subjects: [String]) throws -> [String] {
        let of = section.measurements.filter { subjects.contains($0.subject) }
        if of.isEmpty { return [] }
        let name = "growth-" + title.lowercased().filter { $0.isLetter || $0 == " " }.replacing(" ", with: "-")
        let picture = try lines.draw(name, gnuplot) ?? ""
        let tables = subjects.map { subject in Page.table(of.filter { $0.subject == subject }) }
        return [Page.chapter(title, text, picture, tables.joined())]
    }

    /// One line for each peer of each subject.
    ///
    /// - Parameter subjects: what a subject adds to the peer's name.
    private func lines(_ subjects: [String: String], _ value: (Measurement) -> Double?) -> [Lines.Line] {
        subjects.sorted { $0.key < $1.key }.flatMap { subject, word in
            let of = section.measurements.filter { $0.subject == subject && !$0.samples.isEmpty }
            let peers = of.reduce(into: [String]()) { if !$0.contains($1.peer) { $0.append($1.peer) } }
            return peers.map { peer in
                let same = of.filter { $0.peer == peer }
                let label = (same.first?.label ?? peer) + (word.isEmpty ? "" : ", \(word)")
                let points = same.compactMap { one in
                    value(one).flatMap { y in one.x.map { (x: $0, y: y) } }
                }
                return Lines.Line(label: label, points: points.sorted { $0.x < $1.x })
            }
        }
    }

    private static func bytes(_ count: Double) -> String {
        count >= 1e9 ? "\(Progress.number(count / 1e9)) GB" : "\(Progress.number(count / 1e6)) MB"
    }
}
