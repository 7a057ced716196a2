package import NFS

/// The names of files that are not finished: `.NAME.TAG.xfer` beside the target, hidden, and recognizable.
///
/// The same process finds the same name for the same target, and the next one of this user on this machine does too: what
/// was left by one that was killed is gone on with, or replaced. See ``TemporaryTag``.
package enum TemporaryName {
    private static let suffix = Array(".xfer".utf8)

    static func make(for name: FileName, tag: TemporaryTag = .own) -> FileName {
        var stem = Array(name.bytes)
        let room = 255 - 2 - TemporaryTag.length - suffix.count
        if stem.count > room {
            // What two long names differ in may be what is cut.
            let check = NameHash.base32(stem, digits: 10)
            stem = stem.prefix(room - check.count - 1) + [UInt8(ascii: "~")] + check
        }
        return FileName([UInt8(ascii: ".")] + stem + [UInt8(ascii: ".")] + tag.digits + suffix)
    }

    /// Whether it looks like the name of an unfinished copy, whoever's.
    package static func isTemporary(_ name: FileName) -> Bool { tag(of: name) != nil }

    /// Nil where it is no such name.
    static func tag(of name: FileName) -> TemporaryTag? {
        let bytes = name.bytes
        guard bytes.count > 2 + TemporaryTag.length + suffix.count - 1, bytes.first == UInt8(ascii: "."),
            bytes.suffix(suffix.count).elementsEqual(suffix)
        else { return nil }
        let before = bytes.dropLast(suffix.count)
        guard before.dropLast(TemporaryTag.length).last == UInt8(ascii: ".") else { return nil }
        return TemporaryTag(digits: Array(before.suffix(TemporaryTag.length)))
    }
}

/// Hashes for names: short, the same in every run.
enum NameHash {
    private static let alphabet = Array("abcdefghijklmnopqrstuvwxyz234567".utf8)

    /// FNV-1a with 64 bits in RFC 4648's letters; nothing that is secret or hostile is hashed.
    static func base32(_ bytes: some Sequence<UInt8>, digits: Int) -> [UInt8] {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in bytes { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
        return number(hash, digits: digits)
    }

    static func number(_ value: UInt64, digits: Int) -> [UInt8] {
        (0..<digits).map { alphabet[Int(value >> UInt64(5 * $0) & 31)] }
    }

    static func isDigit(_ byte: UInt8) -> Bool { alphabet.contains(byte) }
}
