import Glibc
import Kernel
import SystemPackage
import TestSupport
import Testing

@Suite struct DescriptorTests {
    private func isOpen(_ raw: Int32) -> Bool { fcntl(raw, F_GETFD) >= 0 }

    @Test func isClosedAtTheEndOfItsLife() throws {
        // A number that no other test of this process gets meanwhile: they have the lowest that are free.
        TestProcess.prepare()
        var limit = rlimit()
        try #require(getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0)
        let number = fcntl(0, F_DUPFD_CLOEXEC, Int32(clamping: limit.rlim_cur) - 16)
        try #require(number >= 512)
        do {
            let descriptor = Descriptor(takingOwnershipOf: number)
            #expect(isOpen(descriptor.raw))
        }
        #expect(!isOpen(number))
    }

    @Test func releaseGivesTheNumberAway() throws {
        let raw = try Files.open("/dev/null", O_RDONLY).release()
        #expect(isOpen(raw))
        #expect(Glibc.close(raw) == 0)
    }

    @Test func duplicateIsAnotherNumberThatEndsWithExec() throws {
        let one = try Files.open("/dev/null", O_RDONLY)
        let two = try one.duplicate()
        #expect(one.raw != two.raw && isOpen(one.raw) && isOpen(two.raw))
        #expect(fcntl(two.raw, F_GETFD) & FD_CLOEXEC != 0)
    }

    @Test func nonblockingIsSetAndTakenBack() throws {
        let pipe = try Pipe(capacity: 1 << 16)
        try pipe.readEnd.setNonblocking(true)
        #expect(fcntl(pipe.readEnd.raw, F_GETFL) & O_NONBLOCK != 0)
        try pipe.readEnd.setNonblocking(false)
        #expect(fcntl(pipe.readEnd.raw, F_GETFL) & O_NONBLOCK == 0)
    }

    /// The last owner closes it.
    @Test func sharedDescriptorLivesAsLongAsItsOwners() throws {
        let ends = try Socket.pair()
        let peer = Descriptor(takingOwnershipOf: ends.0)
        var first: SharedDescriptor? = SharedDescriptor(Descriptor(takingOwnershipOf: ends.1))
        var second = first
        #expect(first != nil)
        first = nil
        try peer.setNonblocking(true)
        var byte: UInt8 = 0
        #expect(recv(peer.raw, &byte, 1, 0) == -1 && errno == EAGAIN)
        #expect(second != nil)
        second = nil
        #expect(recv(peer.raw, &byte, 1, 0) == 0)
    }

    @Test func errorsNameTheFileAndTheReason() throws {
        let error = try #require(throws: SystemError.self) { _ = try Files.open("/nonexistent/file", O_RDONLY).raw }
        #expect(error.errno == .noSuchFileOrDirectory)
        #expect("\(error)" == "/nonexistent/file: No such file or directory (openat)")
    }
}
