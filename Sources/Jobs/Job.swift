/// One copy of many: a line of the input.
package struct Job: Sendable, Equatable {
    package enum Operation: String, Sendable, CaseIterable {
        case get, put
    }

    /// The line it stands in, from 1; within one state it names the job.
    package let line: Int64
    /// What the user calls it; nothing depends on it.
    package let id: String?
    package let operation: Operation
    /// As the line has them. Relative local paths are of the directory that the first run was started in.
    package let source: String
    package let destination: String
    package let options: JobOptions

    package init(
        line: Int64, id: String? = nil, operation: Operation, source: String, destination: String,
        options: JobOptions = JobOptions()
    ) {
        self.line = line
        self.id = id
        self.operation = operation
        self.source = source
        self.destination = destination
        self.options = options
    }
}

extension Job {
    /// A local path as a job has it, from `directory` on.
    package static func local(_ path: String, in directory: String) -> String {
        path.hasPrefix("/") || directory == "." ? path : "\(directory)/\(path)"
    }
}

/// What stands in a line: a job, or why it is none.
package enum ParsedLine: Sendable, Equatable {
    case job(Job)
    /// - Parameter text: the beginning of the line.
    case bad(line: Int64, text: String, reason: String)
    /// Nothing, or a comment.
    case blank
}
