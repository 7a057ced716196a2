import CLinux
import Glibc
import SystemPackage

/// A file descriptor with one owner, closed exactly once: at the end of the value's life.
package struct Descriptor: ~Copyable, Sendable {
    /// The number, for a call that borrows it.
    package let raw: Int32

    /// - Parameter takingOwnershipOf: an open descriptor that nobody else will close.
    package init(takingOwnershipOf raw: Int32) { self.raw = raw }

    deinit {
        // close(2) is not retried on EINTR: Linux has released the number by then. EBADF means that somebody else closed
        // a number this value owned, and with it, sooner or later, another file's: nothing is safe after that.
        if Glibc.close(raw) != 0 && errno == EBADF {
            fatalError("descriptor \(raw) was closed behind its owner's back")
        }
    }

    /// Closes it now and says what close(2) said, which matters for a file that was written: EIO, ENOSPC, EDQUOT.
    package consuming func close() throws(SystemError) {
        let raw = self.raw
        discard self
        if Glibc.close(raw) != 0 {
            let reason = Errno(rawValue: errno)
            if reason == .badFileDescriptor { fatalError("descriptor \(raw) was closed behind its owner's back") }
            if reason != .interrupted { throw SystemError("close", reason) }
        }
    }

    /// Gives the number away; the caller closes it.
    package consuming func release() -> Int32 {
        let raw = self.raw
        discard self
        return raw
    }

    /// Another number for the same open file, close-on-exec.
    package func duplicate() throws(SystemError) -> Descriptor {
        Descriptor(takingOwnershipOf: try systemCall("fcntl") { fcntl(raw, F_DUPFD_CLOEXEC, 0) })
    }

    package func setNonblocking(_ on: Bool) throws(SystemError) {
        let flags = try systemCall("fcntl") { fcntl(raw, F_GETFL) }
        try systemCall("fcntl") { fcntl(raw, F_SETFL, on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK) }
    }
}

/// A descriptor with several owners: an open file or socket that requests share.
package final class SharedDescriptor: Sendable {
    private let descriptor: Descriptor

    package init(_ descriptor: consuming Descriptor) { self.descriptor = descriptor }

    /// Valid while this object is referenced.
    package var raw: Int32 { descriptor.raw }

    package func duplicate() throws(SystemError) -> Descriptor { try descriptor.duplicate() }
}
