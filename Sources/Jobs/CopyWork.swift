import Glibc
import Kernel
import NFS
package import Transfer

/// Jobs as copies over the connections of a pool.
package struct CopyWork: JobWork {
    private let pool: RemotePool
    private let options: CopyRules
    private let directory: String
    private let progress: Progress
    private let remote: @Sendable (String) throws(UsageError) -> RemoteName?

    /// - Parameters:
    ///   - options: of every job that does not say otherwise.
    ///   - directory: where relative local paths begin.
    ///   - remote: reads a place on a server.
    package init(
        pool: RemotePool, options: CopyRules, directory: String, progress: Progress,
        remote: @escaping @Sendable (String) throws(UsageError) -> RemoteName?
    ) {
        self.pool = pool
        self.options = options
        self.directory = directory
        self.progress = progress
        self.remote = remote
    }

    private func name(_ text: String) throws(UsageError) -> RemoteName {
        guard let name = try remote(text) else { throw UsageError("'\(text)' is no place on a server") }
        return name
    }

    package func destinationIsName(_ job: Job) async throws -> Bool? {
        guard job.options.applied(to: options).recursive else { return nil }
        switch job.operation {
        case .get:
            var status = stat()
            return stat(Job.local(job.destination, in: directory), &status) != 0
                || status.st_mode & S_IFMT != S_IFDIR
        case .put:
            let name = try name(job.destination)
            return try await pool.withRemote(name, job.options.mount) { remote in
                do {
                    return try await remote.find(name.path).attributes.type != .directory
                } catch let error as NFSError where error.status == .noEntry {
                    return true
                }
            }
        }
    }

    package func copy(_ job: Job, isName: Bool?) async throws -> Report {
        let placement: Copy.Placement = isName == true ? .exactName : .named
        let rules = job.options.applied(to: options).completed(for: placement)
        let there = try name(job.operation == .get ? job.source : job.destination)
        let progress = progress
        let here = Job.local(job.operation == .get ? job.destination : job.source, in: directory)
        return try await pool.withRemote(there, job.options.mount) { remote in
            let copy = Copy(remote: remote, rules: rules, progress: progress)
            switch job.operation {
            case .get: return try await copy.get(there.path, to: here, placement)
            case .put: return try await copy.put(here, to: there.path, placement)
            }
        }
    }
}
