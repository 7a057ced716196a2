import CCrypto

/// What OpenSSL's error queue held after an operation failed (ERR_get_error(3)), oldest entry first.
package struct OpenSSLError: Error, Sendable, CustomStringConvertible {
    package struct Entry: Sendable, Equatable {
        /// The library's number (`ERR_LIB_SSL` and so on) and its number of the reason.
        package let library: Int32
        package let reason: Int32
        /// OpenSSL's words for the reason, with its detail where it left one.
        package let text: String
        /// The function of OpenSSL's that left it, where the library was built with names.
        package let function: String
    }

    /// What was being done, in words that go before "failed".
    package let operation: String
    package let entries: [Entry]

    /// Takes everything out of this thread's error queue.
    package init(draining operation: String) {
        self.operation = operation
        var entries: [Entry] = []
        while true {
            var data: UnsafePointer<CChar>?
            var function: UnsafePointer<CChar>?
            var flags: Int32 = 0
            let code = ERR_get_error_all(nil, nil, &function, &data, &flags)
            if code == 0 { break }
            var text = ERR_reason_error_string(code).map { String(cString: $0) } ?? "error \(String(code, radix: 16))"
            if let data, flags & ERR_TXT_STRING != 0 {
                let detail = String(cString: data)
                if !detail.isEmpty { text += " (\(detail))" }
            }
            entries.append(
                Entry(
                    library: ERR_GET_LIB(code), reason: ERR_GET_REASON(code), text: text,
                    function: function.map { String(cString: $0) } ?? ""))
        }
        self.entries = entries
    }

    /// Whether one of the entries is `reason` of `library`.
    package func has(_ library: Int32, _ reason: Int32) -> Bool {
        entries.contains { $0.library == library && $0.reason == reason }
    }

    /// The reasons alone, without the operation.
    package var reasons: String {
        entries.isEmpty ? "OpenSSL gave no reason" : entries.map(\.text).joined(separator: "; ")
    }

    package var description: String { "\(operation) failed: \(reasons)" }

    /// Empties this thread's queue, so that what is drained later belongs to the operation that comes now.
    package static func clear() { ERR_clear_error() }
}

/// Makes an OpenSSL call that returns a pointer, or null for a failure.
package func openSSL<R>(_ operation: String, _ body: () -> R?) throws(OpenSSLError) -> R {
    OpenSSLError.clear()
    guard let result = body() else { throw OpenSSLError(draining: operation) }
    return result
}

/// Makes an OpenSSL call that returns 1 or more, or 0 or less for a failure.
package func openSSLStatus(_ operation: String, _ body: () -> Int32) throws(OpenSSLError) {
    OpenSSLError.clear()
    guard body() > 0 else { throw OpenSSLError(draining: operation) }
}
