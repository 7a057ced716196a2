import TestSupport

extension GrowthTools {
    private static let counts = [100, 1000, 10_000, 100_000, 1_000_000]
    private static let fileSize = 4096
    /// Of tmpfs, for a file of a page: the page, the inode, the name.
    private static let fileCost = 4096 + 1200

    /// A tree with ever more files, beside rsync.
    func files(upTo limit: Int, _ section: inout Results.Section) throws {
        for count in Self.counts where count <= limit {
            guard (try? Machine.requireRoom(2 * count * Self.fileCost, in: place)) != nil else {
                section.notes.append("\(Progress.number(Double(count))) files: no room for both copies")
                continue
            }
            try Content.tree(workspace.path("served/tree"), files: count, size: Self.fileSize)
            let copies = Copies(
                workspace: workspace, rounds: count >= 100_000 ? 1 : rounds, bytes: count * Self.fileSize, files: count)
            for job in [CopyJob.fetchSmall, .pushSmall] {
                let measured = try copies.run(
                    job, [Xfer(site, name: "xfer-a", label: "xfer -a", archive: true), tunnel])
                add(measured, as: "growth-\(job.rawValue)", at: Double(count), &section)
                try workspace.remove("\(job.target)/tree")
            }
            try workspace.remove("served/tree")
        }
    }
}
