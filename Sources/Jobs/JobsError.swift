/// Why the state of jobs cannot be read or kept.
package struct JobsError: Error, Sendable, CustomStringConvertible {
    package let description: String
    package init(_ description: String) { self.description = description }
}
