package import SystemPackage

/// A system call that failed: which one, on what, and why.
package struct SystemError: Error, CustomStringConvertible, Sendable {
    /// The call's name, as section 2 of the manual has it.
    package let call: String
    /// The reason the kernel gave.
    package let errno: Errno
    /// What the call was made on, in words a person knows: a path, an address. Nil where the call alone says it.
    package let subject: String?

    package init(_ call: String, _ errno: Errno, on subject: String? = nil) {
        self.call = call
        self.errno = errno
        self.subject = subject
    }

    package var description: String {
        guard let subject else { return "\(call): \(errno)" }
        return "\(subject): \(errno) (\(call))"
    }

    /// The same failure with `subject` named, for a caller that knows what the descriptor stood for.
    package func on(_ subject: String) -> SystemError { SystemError(call, errno, on: subject) }
}
