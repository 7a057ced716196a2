import Glibc
import SystemPackage

/// Makes a system call and is the one place that captures `errno` and tries again on EINTR.
///
/// - Parameters:
///   - call: the call's name, for the error.
///   - subject: what it is made on, evaluated only when it fails.
///   - body: the call; it must set `errno` when it returns a negative number.
/// - Returns: what the call returned, never negative.
/// - Throws: ``SystemError`` with the `errno` that `body` left.
@inline(__always)
package func systemCall(
    _ call: StaticString, on subject: @autoclosure () -> String? = nil, _ body: () -> Int
) throws(SystemError) -> Int {
    while true {
        #if DEBUG
        if let fault = FaultScript.next(call) {
            if fault == .interrupted { continue }
            throw SystemError("\(call)", fault, on: subject())
        }
        #endif
        let result = body()
        if result >= 0 { return result }
        let reason = Errno(rawValue: errno)
        if reason == .interrupted { continue }
        throw SystemError("\(call)", reason, on: subject())
    }
}

/// ``systemCall(_:on:_:)`` for the calls that return a C `int`.
@inline(__always)
@discardableResult
package func systemCall(
    _ call: StaticString, on subject: @autoclosure () -> String? = nil, _ body: () -> Int32
) throws(SystemError) -> Int32 {
    // Nothing is lost: the value came from an Int32.
    Int32(truncatingIfNeeded: try systemCall(call, on: subject()) { Int(body()) })
}

/// A call on a non-blocking descriptor: nil where it would have blocked.
@inline(__always)
package func nonblocking(
    _ call: StaticString, on subject: @autoclosure () -> String? = nil, _ body: () -> Int
) throws(SystemError) -> Int? {
    do throws(SystemError) {
        return try systemCall(call, on: subject(), body)
    } catch {
        if error.errno == .wouldBlock { return nil }
        throw error
    }
}
