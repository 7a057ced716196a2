import CLinux
import Glibc
import Kernel
import SystemPackage
import TestSupport
import Testing

@Suite struct DescriptorPassingTests {
    private let here: SharedDescriptor
    private let there: SharedDescriptor

    init() throws {
        let ends = try Socket.pair()
        here = SharedDescriptor(Descriptor(takingOwnershipOf: ends.0))
        there = SharedDescriptor(Descriptor(takingOwnershipOf: ends.1))
    }

    /// The number that came, which is the caller's to close.
    private func received() throws -> Int32? {
        guard let descriptor = try DescriptorPassing.receive(over: there.raw) else { return nil }
        return descriptor.release()
    }

    @Test func theOtherEndHasTheSameFile() throws {
        let file = TestFile(Array("hello".utf8))
        try DescriptorPassing.send(file.raw, over: here.raw)
        #expect(try DescriptorPassing.isNext(on: there.raw) == true)
        let number = try received()
        let received = SharedDescriptor(Descriptor(takingOwnershipOf: try #require(number)))
        #expect(received.raw != file.raw)
        #expect(fcntl(received.raw, F_GETFD) & FD_CLOEXEC != 0)
        var bytes = [UInt8](repeating: 0, count: 5)
        #expect(pread(received.raw, &bytes, 5, 0) == 5 && bytes == Array("hello".utf8))
    }

    @Test func theEndOfTheStreamIsNoDescriptor() throws {
        shutdown(here.raw, Int32(SHUT_WR))
        #expect(try DescriptorPassing.isNext(on: there.raw) == nil)
        #expect(try received() == nil)
    }

    @Test func aByteWithoutADescriptorIsRefused() throws {
        var marker = DescriptorPassing.marker
        #expect(send(here.raw, &marker, 1, 0) == 1)
        let error = try #require(throws: SystemError.self) { _ = try received() }
        #expect(error.errno == Errno(rawValue: EBADMSG))
    }

    @Test func anotherByteIsNoMarker() throws {
        var byte: UInt8 = 0x80
        #expect(send(here.raw, &byte, 1, 0) == 1)
        #expect(try DescriptorPassing.isNext(on: there.raw) == false)
    }

    /// Every descriptor beyond the one that is taken is closed, and none leaks.
    @Test func severalDescriptorsAreRefusedAndClosed() throws {
        let ends = try Socket.pair()
        let kept = Descriptor(takingOwnershipOf: ends.0)
        do {
            let sent = Descriptor(takingOwnershipOf: ends.1)
            var marker = DescriptorPassing.marker
            var numbers = [sent.raw, sent.raw, sent.raw]
            #expect(clinux_send_descriptors(here.raw, &marker, 1, &numbers, 3) == 1)
        }
        #expect(throws: SystemError.self) { _ = try received() }
        try kept.setNonblocking(true)
        var byte: UInt8 = 0
        #expect(recv(kept.raw, &byte, 1, 0) == 0, "a copy of the other end is still open somewhere")
    }

    @Test func thePeerIsThisProcess() throws {
        let credentials = try PeerCredentials(of: here.raw)
        #expect(credentials.process == getpid() && credentials.user == getuid() && credentials.group == getgid())
    }
}
