import CLinux
import Glibc
import SystemPackage

/// signalfd(2): signals as something to read, so that no code runs in a handler.
///
/// Make it on the main thread before any other thread starts: the signals are blocked there and every later thread
/// inherits that.
package struct SignalDescriptor: ~Copyable {
    private let descriptor: Descriptor

    package init(_ signals: [Int32]) throws(SystemError) {
        var set = sigset_t()
        sigemptyset(&set)
        for signal in signals { sigaddset(&set, signal) }
        let blocked = pthread_sigmask(SIG_BLOCK, &set, nil)
        guard blocked == 0 else { throw SystemError("pthread_sigmask", Errno(rawValue: blocked)) }
        descriptor = Descriptor(
            takingOwnershipOf: try systemCall("signalfd") { signalfd(-1, &set, Int32(SFD_CLOEXEC)) })
    }

    package var raw: Int32 { descriptor.raw }

    /// Waits for the next of the signals.
    package func next() throws(SystemError) -> Int32 {
        var info = signalfd_siginfo()
        let count = try systemCall("read") { Glibc.read(descriptor.raw, &info, MemoryLayout<signalfd_siginfo>.size) }
        guard count == MemoryLayout<signalfd_siginfo>.size else { throw SystemError("read", .ioError, on: "signalfd") }
        return Int32(bitPattern: info.ssi_signo)
    }

    /// A write to a socket whose peer is gone must be an errno, not the end of the process.
    package static func ignoreBrokenPipes() { signal(SIGPIPE, SIG_IGN) }
}
