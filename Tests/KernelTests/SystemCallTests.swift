import Glibc
import Kernel
import SystemPackage
import TestSupport
import Testing

/// Serialized: a fault script is for the whole process, and a name in it is one that no other test calls.
@Suite(.serialized) struct SystemCallTests {
    @Test func errnoIsCaptured() throws {
        let error = try #require(throws: SystemError.self) {
            try systemCall("test", on: "it") { () -> Int32 in
                errno = EACCES
                return -1
            }
        }
        #expect(error.errno == .permissionDenied && error.call == "test" && error.subject == "it")
    }

    @Test func interruptedCallsAreMadeAgain() throws {
        var calls = 0
        let result = try systemCall("test") { () -> Int in
            calls += 1
            errno = EINTR
            return calls < 4 ? -1 : 42
        }
        #expect(result == 42 && calls == 4)
    }

    @Test func wouldBlockIsNoError() throws {
        let nothing = try nonblocking("test") {
            errno = EAGAIN
            return -1
        }
        #expect(nothing == nil)
        #expect(try nonblocking("test") { 7 } == 7)
    }

    /// A real signal in a real recv(2).
    @Test func aSignalDoesNotEndARead() throws {
        var action = sigaction()
        action.__sigaction_handler.sa_handler = { _ in }
        sigaction(SIGUSR2, &action, nil)
        let ends = try Socket.pair()
        let here = SharedDescriptor(Descriptor(takingOwnershipOf: ends.0))
        let there = SharedDescriptor(Descriptor(takingOwnershipOf: ends.1))
        let thread = Condition<UInt?>(nil)
        let reader = try Running { () -> Int in
            thread.withLock(wake: true) { $0 = UInt(pthread_self()) }
            var byte: UInt8 = 0
            return try systemCall("recv") { recv(here.raw, &byte, 1, 0) }
        }
        let handle = try #require(thread.wait(until: .after(seconds: 10)) { $0 })
        for _ in 0..<20 {
            pthread_kill(pthread_t(handle), SIGUSR2)
            usleep(500)
        }
        #expect(!reader.isDone)
        try sendAll([1], on: there.raw)
        #expect(try reader.value(within: 10) == 1)
    }

    @Test func aFaultScriptFailsTheCallsItNames() throws {
        var calls = 0
        func call() throws(SystemError) -> Int { try systemCall("scripted") { () -> Int in (calls += 1, 5).1 } }
        try FaultScript.with("scripted", [nil, .noSpace, .interrupted, .ioError]) { () throws -> Void in
            #expect(try call() == 5)
            #expect(try #require(throws: SystemError.self) { _ = try call() }.errno == .noSpace)
            // EINTR is tried again, and meets the next fault.
            #expect(try #require(throws: SystemError.self) { _ = try call() }.errno == .ioError)
            #expect(try call() == 5)
        }
        #expect(try call() == 5 && calls == 3)
    }

    @Test func shortWritesAreGoneOnWith() throws {
        let file = TestFile()
        let bytes = pattern(100_000)
        try FaultScript.with("pwrite", [nil, .interrupted]) {
            try bytes.withUnsafeBytes { try Files.write(file.raw, $0, at: 3) }
        }
        #expect(try file.contents == [0, 0, 0] + bytes)
    }
}
