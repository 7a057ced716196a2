import CLinux
import Glibc
import SystemPackage

/// A pipe that splice(2) moves pages through; it never holds bytes between two calls of its user.
package struct Pipe: ~Copyable, Sendable {
    package let readEnd: Descriptor
    package let writeEnd: Descriptor
    /// Bytes it takes before it is full.
    package let capacity: Int

    /// - Parameter capacity: bytes wished for; the kernel may give less to a process without CAP_SYS_RESOURCE.
    package init(capacity: Int) throws(SystemError) {
        var ends: (Int32, Int32) = (-1, -1)
        try systemCall("pipe2") {
            withUnsafeMutableBytes(of: &ends) {
                clinux_pipe($0.assumingMemoryBound(to: Int32.self).baseAddress)
            }
        }
        readEnd = Descriptor(takingOwnershipOf: ends.0)
        writeEnd = Descriptor(takingOwnershipOf: ends.1)
        let granted = fcntl(ends.1, Int32(CLINUX_F_SETPIPE_SZ), Int32(clamping: capacity))
        // A refusal leaves the default of pipe(7): 16 pages.
        self.capacity = granted > 0 ? Int(granted) : 65536
    }
}
