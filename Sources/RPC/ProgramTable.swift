/// The programs of a server by number and version; several of each may share a port (RFC 5531 section 8.1).
struct ProgramTable: Sendable {
    private let versions: [UInt32: [UInt32: any Program]]

    /// Of two with the same number and version the first counts.
    init(_ programs: [any Program]) {
        versions = Dictionary(grouping: programs, by: \.number).mapValues { same in
            Dictionary(same.map { ($0.version, $0) }, uniquingKeysWith: { first, _ in first })
        }
    }

    subscript(number: UInt32, version: UInt32) -> (any Program)? { versions[number]?[version] }

    /// The lowest and the highest version of a program, for PROG_MISMATCH; nil where there is none of that number.
    func range(of number: UInt32) -> (low: UInt32, high: UInt32)? {
        guard let known = versions[number]?.keys, let low = known.min(), let high = known.max() else { return nil }
        return (low, high)
    }
}
