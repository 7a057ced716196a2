/// cp: no network and no protection, what the machine can do at best with one thread.
final class LocalCopy: Peer {
    let name = "cp"
    let label = "cp (no network)"
    private let workspace: Workspace

    init(_ workspace: Workspace) { self.workspace = workspace }

    func command(_ job: CopyJob) -> [String]? {
        let (from, to) = (workspace.path("served/\(job.name)"), workspace.path("\(job.target)/\(job.name)"))
        return ["cp"] + (job.isTree ? ["-r"] : []) + ["--reflink=never", from, to]
    }
}
