import Glibc
import TestSupport

/// A way to copy files from one place of this machine to another.
protocol Peer: AnyObject {
    /// Short, for options and results: `curl-tls`.
    var name: String { get }
    /// For a person: `curl from nginx, TLS`.
    var label: String { get }
    /// Processes that run all the time and work for the copy, on the server's side and on the client's.
    var servers: [pid_t] { get }
    var clientHelpers: [pid_t] { get }
    /// What of the metadata is kept for certain.
    var kept: TreeComparison.Aspects { get }
    /// What to run; nil where it cannot do that.
    func command(_ job: CopyJob) -> [String]?
    /// Looks at what the last run said, whether the protection was what it should be.
    func check(errors: String) throws
    func stop()
}

extension Peer {
    var servers: [pid_t] { [] }
    var clientHelpers: [pid_t] { [] }
    var kept: TreeComparison.Aspects { [] }
    func check(errors: String) throws {}
    func stop() {}
}

/// What is copied where.
enum CopyJob: String, CaseIterable, Sendable {
    case fetchLarge = "fetch-large"
    case pushLarge = "push-large"
    case fetchSmall = "fetch-small"
    case pushSmall = "push-small"

    var isTree: Bool { self == .fetchSmall || self == .pushSmall }
    var isPush: Bool { self == .pushLarge || self == .pushSmall }
    /// The name of what is copied, in `served` and where it goes.
    var name: String { isTree ? "tree" : "file" }
    /// The directory of the workspace that the copy goes to.
    var target: String { isPush ? "drop" : "copy" }
}

/// TLS 1.3 with AES-128-GCM: what all that can be told are told to use.
let cipherSuite = "TLS_AES_128_GCM_SHA256"
