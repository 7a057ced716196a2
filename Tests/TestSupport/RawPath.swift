/// A path or a name as the bytes it is, UTF-8 or not. (`FilePath` without optimization is so slow that a test which looks
/// at names all the time does little else.)
package struct RawPath: Hashable, Sendable, ExpressibleByStringLiteral, CustomStringConvertible {
    package let bytes: [UInt8]

    package init(_ bytes: [UInt8]) { self.bytes = bytes }
    package init(_ text: String) { bytes = Array(text.utf8) }
    package init(stringLiteral text: String) { self.init(text) }

    /// `inner`, which is relative, in this directory; the empty path is no step.
    package func appending(_ inner: RawPath) -> RawPath {
        if bytes.isEmpty { return inner }
        return inner.bytes.isEmpty ? self : RawPath(bytes + [0x2f] + inner.bytes)
    }

    package var isEmpty: Bool { bytes.isEmpty }
    package var name: RawPath { RawPath(Array(bytes.suffix(from: bytes.lastIndex(of: 0x2f).map { $0 + 1 } ?? 0))) }
    package var text: String { String(decoding: bytes, as: UTF8.self) }
    package var parent: RawPath { RawPath(Array(bytes.prefix(upTo: bytes.lastIndex(of: 0x2f) ?? 0))) }

    package func withCString<R>(_ body: (UnsafePointer<CChar>) throws -> R) rethrows -> R {
        try body(bytes.map { CChar(bitPattern: $0) } + [0])
    }

    /// Fit to be part of a message: on one line, and not long.
    package var description: String {
        let shown = isEmpty ? "." : text.debugDescription
        return shown.count > 80 ? "\(shown.prefix(40))…\(shown.suffix(20))" : shown
    }
}
