import CLinux
import Glibc
import SystemPackage

/// eventfd(2): one thread's way to wake another that waits in poll or epoll. Once signalled it stays readable.
package final class EventDescriptor: Sendable {
    private let descriptor: Descriptor

    package init() throws(SystemError) {
        descriptor = Descriptor(
            takingOwnershipOf: try systemCall("eventfd") { eventfd(0, Int32(EFD_CLOEXEC | EFD_NONBLOCK)) })
    }

    package var raw: Int32 { descriptor.raw }

    package func signal() {
        var one: UInt64 = 1
        // Only a counter at its limit fails here, and that is readable already.
        _ = Glibc.write(descriptor.raw, &one, 8)
    }

    package func clear() {
        var count: UInt64 = 0
        _ = Glibc.read(descriptor.raw, &count, 8)
    }
}
