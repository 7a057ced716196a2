/// How a job ended.
package struct JobOutcome: Sendable, Equatable {
    package enum Status: String, Sendable, CaseIterable {
        case done, failed
        /// The line is no job.
        case bad
    }

    package let line: Int64
    package let id: String?
    /// Nil for a line that is no job.
    package let operation: Job.Operation?
    /// For a line that is no job, its beginning.
    package let source: String
    package let destination: String
    package var status: Status
    package var bytes: UInt64 = 0
    package var files = 0
    /// Of the last attempt.
    package var seconds = 0.0
    package var attempts = 0
    package var error: String?

    package init(_ job: Job, _ status: Status) {
        line = job.line
        id = job.id
        operation = job.operation
        source = job.source
        destination = job.destination
        self.status = status
    }

    init(
        line: Int64, id: String?, operation: Job.Operation?, source: String, destination: String, status: Status
    ) {
        self.line = line
        self.id = id
        self.operation = operation
        self.source = source
        self.destination = destination
        self.status = status
    }
}

/// All of a state's jobs in numbers.
package struct JobTotals: Sendable, Equatable {
    /// Lines taken from the input so far, without blank ones.
    package var total = 0
    package var done = 0
    package var failed = 0
    package var bad = 0
    package var bytes: UInt64 = 0
    package var files = 0

    package var left: Int { max(0, total - done - failed - bad) }
    package init() {}
}
