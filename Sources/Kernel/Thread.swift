import CLinux
import Glibc
import SystemPackage

/// A POSIX thread of the engine's own: blocking calls are made here, never on Swift's cooperative pool.
package final class Thread: Sendable {
    private let handle: pthread_t

    /// Starts a thread.
    ///
    /// - Parameters:
    ///   - name: at most 15 bytes are shown by ps and gdb (pthread_setname_np(3)).
    ///   - stack: bytes of stack; only what is touched becomes resident.
    /// - Throws: ``SystemError`` with EAGAIN where the process may have no more threads.
    package init(_ name: String, stack: Int = 512 << 10, _ body: @escaping @Sendable () -> Void) throws(SystemError) {
        var attributes = pthread_attr_t()
        pthread_attr_init(&attributes)
        defer { pthread_attr_destroy(&attributes) }
        pthread_attr_setstacksize(&attributes, stack)
        let box = Unmanaged.passRetained(Start(name: String(name.utf8.prefix(15)) ?? "tlsd", body: body))
        var handle = pthread_t()
        let result = pthread_create(
            &handle, &attributes,
            { argument in
                guard let argument else { return nil }
                let start = Unmanaged<Start>.fromOpaque(argument).takeRetainedValue()
                clinux_name_thread(start.name)
                start.body()
                return nil
            }, box.toOpaque())
        guard result == 0 else {
            box.release()
            throw SystemError("pthread_create", Errno(rawValue: result), on: name)
        }
        self.handle = handle
    }

    /// Waits for it to end. Exactly one of ``join()`` and ``detach()`` is called, once.
    package func join() { pthread_join(handle, nil) }

    /// Lets it end by itself.
    package func detach() { pthread_detach(handle) }

    /// Starts a thread nobody will join.
    package static func detached(_ name: String, _ body: @escaping @Sendable () -> Void) throws(SystemError) {
        try Thread(name, body).detach()
    }

    private final class Start: Sendable {
        let name: String
        let body: @Sendable () -> Void
        init(name: String, body: @escaping @Sendable () -> Void) {
            self.name = name
            self.body = body
        }
    }
}
