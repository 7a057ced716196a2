import GRDB
import Kernel
import Transfer

/// The state of a run in SQLite: each job once, what became of it, and how far the input was read.
///
/// Journal mode WAL, so that `jobs status` reads while a run writes. Synchronous FULL: what is told as done on standard
/// output is done after a power failure too; a transaction holds what hundreds of jobs came to, so that its one fsync(2)
/// costs little. Used by one thread.
package final class JobStore: Sendable {
    private let database: DatabaseQueue
    package let path: String

    /// `PRAGMA application_id`: "xfrj". `PRAGMA user_version` counts changes of the tables.
    private static let application = 0x7866_726a
    private static let version = 1

    /// `jobs.state`
    private enum State: Int {
        case left = 0
        case done, failed, bad

        init?(_ status: JobOutcome.Status) {
            switch status {
            case .done: self = .done
            case .failed: self = .failed
            case .bad: self = .bad
            }
        }

        var status: JobOutcome.Status? {
            switch self {
            case .left: nil
            case .done: .done
            case .failed: .failed
            case .bad: .bad
            }
        }
    }

    /// - Parameters:
    ///   - create: makes it if it is not there, mode 0600.
    ///   - readOnly: for who looks at the state of a run that may go on.
    /// - Throws: ``JobsError``
    package init(_ path: String, create: Bool = false, readOnly: Bool = false) throws {
        self.path = path
        if create {
            try StateFile.prepare(path)
        } else if !StateFile.isState(path) {
            throw JobsError("\(path): \(StateFile.exists(path) ? "is no state of jobs" : "there is no such state")")
        }
        var configuration = Configuration()
        configuration.readonly = readOnly
        configuration.busyMode = .timeout(10)
        configuration.journalMode = readOnly ? .default : .wal
        if !readOnly {
            configuration.prepareDatabase { try $0.execute(sql: "PRAGMA synchronous = FULL") }
        }
        do {
            database = try DatabaseQueue(path: path, configuration: configuration)
            if create { try Self.makeTables(database) }
            let found = try database.read {
                (
                    try Int.fetchOne($0, sql: "PRAGMA application_id"), try Int.fetchOne($0, sql: "PRAGMA user_version")
                )
            }
            guard found.0 == Self.application else { throw JobsError("\(path): is no state of jobs") }
            guard found.1 == Self.version else {
                throw JobsError("\(path): made by another version of xfer (\(found.1 ?? 0), not \(Self.version))")
            }
        } catch let error as DatabaseError {
            throw Self.failure(path, error)
        }
    }

    /// `jobs_left` and `jobs_failed` find what is to be done, and done again, without a look at what is done.
    private static func makeTables(_ database: DatabaseQueue) throws {
        try database.write { database in
            guard try Int.fetchOne(database, sql: "PRAGMA application_id") != application else { return }
            guard try Int.fetchOne(database, sql: "SELECT count(*) FROM sqlite_schema") == 0 else {
                throw JobsError("is a database of something else")
            }
            try database.execute(
                sql: """
                    CREATE TABLE jobs(
                        line INTEGER PRIMARY KEY, id TEXT, operation TEXT, source TEXT NOT NULL,
                        destination TEXT NOT NULL, options TEXT, state INTEGER NOT NULL DEFAULT 0, is_name INTEGER,
                        ended REAL, attempts INTEGER NOT NULL DEFAULT 0, bytes INTEGER NOT NULL DEFAULT 0,
                        files INTEGER NOT NULL DEFAULT 0, seconds REAL NOT NULL DEFAULT 0, error TEXT);
                    CREATE INDEX jobs_left ON jobs(line) WHERE state = 0;
                    CREATE INDEX jobs_failed ON jobs(line) WHERE state IN (2, 3);
                    CREATE TABLE totals(
                        one INTEGER PRIMARY KEY CHECK (one = 1), total INTEGER, done INTEGER, failed INTEGER,
                        bad INTEGER, bytes INTEGER, files INTEGER, batch INTEGER, batch_lines TEXT, at REAL);
                    INSERT INTO totals VALUES(1, 0, 0, 0, 0, 0, 0, 0, '', 0);
                    CREATE TABLE running(line INTEGER PRIMARY KEY, started REAL NOT NULL);
                    CREATE TABLE settings(name TEXT PRIMARY KEY, value) WITHOUT ROWID;
                    PRAGMA application_id = \(application);
                    PRAGMA user_version = \(version);
                    """)
        }
    }

    private static func failure(_ path: String, _ error: DatabaseError) -> JobsError {
        JobsError("\(path): \(error.message ?? "\(error.resultCode)")")
    }

    /// Runs `body` and names the state in what SQLite throws.
    private func named<R>(_ body: () throws -> R) throws -> R {
        do {
            return try body()
        } catch let error as DatabaseError {
            throw Self.failure(path, error)
        }
    }

    // MARK: Settings

    package func setting(_ name: String) throws -> String? {
        try named {
            try database.read {
                try String.fetchOne($0, sql: "SELECT value FROM settings WHERE name = ?", arguments: [name])
            }
        }
    }

    package func set(_ values: [(name: String, value: String?)]) throws {
        try named {
            try database.write { database in
                for (name, value) in values { try Self.set(database, name, value) }
            }
        }
    }

    private static func set(_ database: Database, _ name: String, _ value: (any DatabaseValueConvertible)?) throws {
        try database.cachedStatement(sql: "INSERT OR REPLACE INTO settings VALUES(?, ?)")
            .execute(arguments: [name, value])
    }

    // MARK: A transaction of a run

    /// What one transaction does. Order: input, decisions, outcomes, then a claim.
    struct Step: Sendable {
        /// Jobs and bad lines from the input, and how far that was read.
        var input: [ParsedLine] = []
        var position: InputPosition?
        /// Lines of recursive copies, and whether their destination is the copy's own name (``Job`` is begun after that is
        /// safe): done again, the directory that is there by then is the copy itself, and not one to put it into.
        var places: [(line: Int64, isName: Bool)] = []
        var outcomes: [JobOutcome] = []
        /// Lines being done, and since when, seconds since 1970; nil leaves what is there.
        var running: [(line: Int64, started: Double)]?
        /// Jobs to claim, at most, behind this line.
        var claim = 0
        var behind: Int64 = 0
        /// Seconds since 1970.
        var now = 0.0
    }

    /// A job to be done.
    struct Claim: Sendable {
        let job: Job
        /// What was decided when it was begun before.
        let isName: Bool?
    }

    struct StepResult: Sendable {
        var claims: [Claim] = []
        /// Bad lines of the input among them.
        var outcomes: [JobOutcome] = []
        var totals = JobTotals()
        var batch: Int64 = 0
    }

    /// - Throws: ``JobsError``
    func run(_ step: Step) throws -> StepResult {
        try named { try database.write { try Self.run(step, $0) } }
    }

    private static func run(_ step: Step, _ database: Database) throws -> StepResult {
        var result = StepResult()
        var (totals, batch) = try totals(database)
        for line in step.input {
            switch line {
            case .blank: break
            case .job(let job):
                totals.total += 1
                try database.cachedStatement(
                    sql: "INSERT INTO jobs(line, id, operation, source, destination, options) VALUES(?, ?, ?, ?, ?, ?)"
                ).execute(arguments: [
                    job.line, job.id, job.operation.rawValue, job.source, job.destination, job.options.stored,
                ])
            case .bad(let line, let text, let reason):
                totals.total += 1
                totals.bad += 1
                try database.cachedStatement(
                    sql: """
                        INSERT INTO jobs(line, source, destination, state, ended, error) VALUES(?, ?, '', 3, ?, ?)
                        """
                ).execute(arguments: [line, text, step.now, reason])
                var outcome = JobOutcome(
                    line: line, id: nil, operation: nil, source: text, destination: "", status: .bad)
                outcome.error = reason
                result.outcomes.append(outcome)
            }
        }
        if let position = step.position { try position.store { try set(database, $0, $1) } }
        for place in step.places {
            try database.cachedStatement(sql: "UPDATE jobs SET is_name = ? WHERE line = ?")
                .execute(arguments: [place.isName, place.line])
        }
        for outcome in step.outcomes {
            try record(outcome, at: step.now, database)
            switch outcome.status {
            case .done:
                totals.done += 1
                totals.bytes &+= outcome.bytes
                totals.files &+= outcome.files
            case .failed: totals.failed += 1
            case .bad: totals.bad += 1
            }
        }
        result.outcomes += step.outcomes
        if let running = step.running {
            try database.execute(sql: "DELETE FROM running")
            for job in running {
                try database.cachedStatement(sql: "INSERT OR REPLACE INTO running VALUES(?, ?)")
                    .execute(arguments: [job.line, job.started])
            }
        }
        if !result.outcomes.isEmpty {
            batch += 1
            try database.cachedStatement(sql: "UPDATE totals SET batch = ?, batch_lines = ?").execute(
                arguments: [batch, result.outcomes.map { "\($0.line)" }.joined(separator: ",")])
        }
        try database.cachedStatement(
            sql: "UPDATE totals SET total = ?, done = ?, failed = ?, bad = ?, bytes = ?, files = ?, at = ?"
        ).execute(arguments: [
            totals.total, totals.done, totals.failed, totals.bad, Int64(clamping: totals.bytes), totals.files, step.now,
        ])
        if step.claim > 0 { result.claims = try claim(step.claim, behind: step.behind, database) }
        result.totals = totals
        result.batch = batch
        return result
    }

    /// A job is recorded once: what has an outcome is given none again.
    private static func record(_ outcome: JobOutcome, at now: Double, _ database: Database) throws {
        let statement = try database.cachedStatement(
            sql: """
                UPDATE jobs SET state = ?, ended = ?, attempts = attempts + ?, bytes = ?, files = ?, seconds = ?, error = ?
                WHERE line = ? AND state = 0
                """)
        try statement.execute(arguments: [
            State(outcome.status)?.rawValue, now, outcome.attempts, Int64(clamping: outcome.bytes), outcome.files,
            outcome.seconds, outcome.error, outcome.line,
        ])
        guard database.changesCount == 1 else {
            throw JobsError("the job of line \(outcome.line) is no longer to be done: was the state changed meanwhile?")
        }
    }

    private static func claim(_ count: Int, behind line: Int64, _ database: Database) throws -> [Claim] {
        let statement = try database.cachedStatement(
            sql: """
                SELECT line, id, operation, source, destination, options, is_name FROM jobs INDEXED BY jobs_left
                WHERE state = 0 AND line > ? ORDER BY line LIMIT ?
                """)
        var claims: [Claim] = []
        let rows = try Row.fetchCursor(statement, arguments: [line, count])
        while let row = try rows.next() {
            guard let operation = Job.Operation(rawValue: row["operation"] ?? "") else {
                throw JobsError("line \(line): the state says neither get nor put")
            }
            let options: JobOptions
            do throws(UsageError) {
                options = try JobOptions(stored: row["options"])
            } catch {
                throw JobsError("the state's \(error)")
            }
            claims.append(
                Claim(
                    job: Job(
                        line: row["line"], id: row["id"], operation: operation, source: row["source"],
                        destination: row["destination"], options: options),
                    isName: row["is_name"]))
        }
        return claims
    }

    private static func totals(_ database: Database) throws -> (JobTotals, batch: Int64) {
        let row = try Row.fetchOne(
            try database.cachedStatement(
                sql: "SELECT total, done, failed, bad, bytes, files, batch FROM totals"))
        guard let row else { throw JobsError("the state has no totals") }
        var totals = JobTotals()
        totals.total = row[0]
        totals.done = row[1]
        totals.failed = row[2]
        totals.bad = row[3]
        totals.bytes = UInt64(clamping: row[4] as Int64)
        totals.files = row[5]
        return (totals, row[6])
    }

    /// What the last transaction that recorded anything recorded, in its order.
    func lastBatch() throws -> (batch: Int64, outcomes: [JobOutcome]) {
        try named {
            try database.read { database in
                let batch = try Self.totals(database).batch
                let lines = try String.fetchOne(database, sql: "SELECT batch_lines FROM totals") ?? ""
                let outcomes = try lines.split(separator: ",").compactMap { Int64($0) }.compactMap { line in
                    try Row.fetchOne(
                        try database.cachedStatement(sql: Self.columns + "WHERE line = ?"), arguments: [line]
                    ).flatMap(Self.outcome)
                }
                return (batch, outcomes)
            }
        }
    }

    // MARK: Looking at it

    /// What `jobs status` tells.
    package struct Status: Sendable {
        package let totals: JobTotals
        /// Seconds since 1970, of the last transaction.
        package let at: Double
        package let running: [(job: JobOutcome, started: Double)]
        /// All of the input has been read.
        package let inputIsComplete: Bool
    }

    package func status() throws -> Status {
        try named {
            try database.read { database in
                let rows = try Row.fetchAll(
                    database, sql: "SELECT jobs.*, started FROM running JOIN jobs USING (line) ORDER BY started")
                return Status(
                    totals: try Self.totals(database).0,
                    at: try Double.fetchOne(database, sql: "SELECT at FROM totals") ?? 0,
                    running: rows.map { (Self.outcome($0, .done), $0["started"]) },
                    inputIsComplete: try String.fetchOne(
                        database, sql: "SELECT value FROM settings WHERE name = 'input.complete'") == "1")
            }
        }
    }

    private static let columns = """
        SELECT line, id, operation, source, destination, state, bytes, files, seconds, attempts, error FROM jobs 
        """

    /// - Returns: nil for a job without an outcome.
    private static func outcome(_ row: Row) -> JobOutcome? {
        State(rawValue: row["state"])?.status.map { outcome(row, $0) }
    }

    private static func outcome(_ row: Row, _ status: JobOutcome.Status) -> JobOutcome {
        var outcome = JobOutcome(
            line: row["line"], id: row["id"], operation: Job.Operation(rawValue: row["operation"] ?? ""),
            source: row["source"], destination: row["destination"], status: status)
        outcome.bytes = UInt64(clamping: row["bytes"] as Int64)
        outcome.files = row["files"]
        outcome.seconds = row["seconds"]
        outcome.attempts = row["attempts"]
        outcome.error = row["error"]
        return outcome
    }

    /// All outcomes in the order of the lines, one at a time.
    ///
    /// - Parameter failed: those alone that failed.
    package func forEachOutcome(failed: Bool, _ body: (JobOutcome) throws -> Void) throws {
        try named {
            try database.read { database in
                let which = failed ? "WHERE state IN (2, 3)" : "WHERE state != 0"
                let rows = try Row.fetchCursor(database, sql: Self.columns + which + " ORDER BY line")
                while let row = try rows.next() { if let outcome = Self.outcome(row) { try body(outcome) } }
            }
        }
    }

    // MARK: Changing it

    /// Has what failed done again by the next run; not lines that are no jobs.
    func retry() throws {
        try named {
            try database.write { database in
                try database.execute(
                    sql: "UPDATE jobs SET state = 0, ended = NULL, error = NULL WHERE state IN (2, 3) AND state = 2")
                try database.execute(sql: "UPDATE totals SET failed = 0, batch_lines = ''")
            }
        }
    }
}
