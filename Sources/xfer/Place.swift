import Transfer

/// What somebody names on the command line.
enum Place {
    /// A place on a server; nil for a local path.
    ///
    /// - Throws: ``UsageError`` naming what is wrong with it.
    static func remote(_ text: String) throws(UsageError) -> RemoteName? { try RemoteName.parse(text) }
}
