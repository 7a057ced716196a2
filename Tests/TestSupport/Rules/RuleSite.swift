/// Where rules are tried: a server's directory, one of this machine, and an xfer that knows how to reach the one.
package protocol RuleSite: Sendable {
    /// The server's, on this machine's disk, and as its clients name it.
    var rulesRemote: (directory: String, place: String) { get }
    var rulesLocal: String { get }
    /// The server's NFS service, on loopback.
    var rulesPort: UInt16 { get }
    /// Starts a command in ``rulesLocal``.
    ///
    /// - Parameter port: what is taken for the server's.
    func startRule(_ command: String, _ arguments: [String], port: UInt16) throws -> RunningProgram
}

extension RuleSite {
    /// Runs a command to its end.
    package func runRule(_ command: String, _ arguments: [String]) throws -> Ended {
        try startRule(command, arguments, port: rulesPort).wait(seconds: 240)
    }
}

/// One trial of a way to copy a tree: where the two are, and the command line.
struct RuleTrial {
    /// The two trees on this machine's disk, not made yet.
    let source: String
    let target: String
    let command: String
    /// What the command line ends with.
    let places: [String]

    /// Makes the directories that the trees are to be in.
    ///
    /// - Parameter number: no other trial of the site has it.
    init(_ operation: RuleOperation, on site: some RuleSite, number: Int) throws {
        let (remote, local) = ("\(site.rulesRemote.directory)/\(number)", "\(site.rulesLocal)/\(number)")
        try makeTree(remote, [])
        try makeTree(local, [])
        source = (operation.isFetch ? remote : local) + "/tree"
        target = (operation.isFetch ? local : remote) + "/tree"
        command = operation.isSync ? "sync" : operation.rawValue
        let there = "\(site.rulesRemote.place)/\(number)"
        places =
            switch operation {
            case .get: ["\(there)/tree", "\(number)"]
            case .put: ["\(number)/tree", there]
            case .syncDown: ["\(there)/tree/", "\(number)/tree"]
            case .syncUp: ["\(number)/tree/", "\(there)/tree"]
            }
    }
}
