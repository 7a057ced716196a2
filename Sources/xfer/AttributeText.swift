import Glibc
import NFS
import Transfer

/// Attributes of files as ls(1) and stat(1) write them.
enum AttributeText {
    /// `-rwxr-xr-x`, with the set-ID and sticky bits as ls(1) has them.
    static func mode(_ attributes: FileAttributes) -> String {
        let mode = attributes.mode
        var letters = zip(0..<9, "rwxrwxrwx").map { index, letter in
            mode & (0o400 >> UInt32(index)) != 0 ? letter : "-"
        }
        for (bit, place, letters2) in [(0o4000, 2, ("s", "S")), (0o2000, 5, ("s", "S")), (0o1000, 8, ("t", "T"))]
            as [(UInt32, Int, (Character, Character))]
        where mode & bit != 0 { letters[place] = letters[place] == "x" ? letters2.0 : letters2.1 }
        return String([letter(attributes.type)] + letters)
    }

    private static func letter(_ type: FileType) -> Character {
        switch type {
        case .directory: "d"
        case .symbolicLink: "l"
        case .blockDevice: "b"
        case .characterDevice: "c"
        case .fifo: "p"
        case .socket: "s"
        default: "-"
        }
    }

    static func type(_ type: FileType) -> String {
        switch type {
        case .regular: "regular file"
        case .directory: "directory"
        case .symbolicLink: "symbolic link"
        case .blockDevice: "block device"
        case .characterDevice: "character device"
        case .fifo: "fifo"
        case .socket: "socket"
        default: "type \(type.rawValue)"
        }
    }

    /// Four octal digits.
    static func octal(_ mode: UInt32) -> String {
        let digits = String(mode & 0o7777, radix: 8)
        return String(repeating: "0", count: 4 - digits.count) + digits
    }

    /// `2026-11-21 10:48`, local time.
    static func minute(_ time: NFSTime) -> String { format(time, "%Y-%m-%d %H:%M", local: true) }

    /// `2026-11-21 10:48:00.123456789 +0100`, local time.
    static func full(_ time: NFSTime) -> String {
        "\(format(time, "%Y-%m-%d %H:%M:%S", local: true)).\(nanoseconds(time)) \(format(time, "%z", local: true))"
    }

    /// RFC 3339 in UTC: `2026-11-21T09:48:00.123456789Z`.
    static func universal(_ time: NFSTime) -> String {
        "\(format(time, "%Y-%m-%dT%H:%M:%S", local: false)).\(nanoseconds(time))Z"
    }

    static func nanoseconds(_ time: NFSTime) -> String {
        // A server may say more than there are in a second.
        let digits = "\(min(time.nanoseconds, 999_999_999))"
        return String(repeating: "0", count: 9 - digits.count) + digits
    }

    private static func format(_ time: NFSTime, _ format: String, local: Bool) -> String {
        var seconds = time_t(time.seconds)
        var parts = tm()
        if local { localtime_r(&seconds, &parts) } else { gmtime_r(&seconds, &parts) }
        var text = [CChar](repeating: 0, count: 64)
        let count = strftime(&text, text.count, format, &parts)
        return String(decoding: text.prefix(count).map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// In powers of 1024, rounded up, as `ls -h` and `du -h` have it: `999`, `1.5K`, `12M`.
    static func short(_ bytes: UInt64) -> String {
        if bytes < 1024 { return "\(bytes)" }
        var unit = UInt64(1024)
        var units = "KMGTPE"[...]
        while units.count > 1, roundedUp(bytes, unit) >= 1024 {
            unit *= 1024
            units = units.dropFirst()
        }
        let letter = units.first ?? "E"
        let (tenths, overflows) = (bytes / unit).multipliedReportingOverflow(by: 10)
        // Exact in 128 bits, which a sum of a hostile server's numbers may need.
        let rest = UInt64((UInt128(bytes % unit) * 10 + UInt128(unit) - 1) / UInt128(unit))
        if !overflows, tenths + rest < 100 { return "\((tenths + rest) / 10).\((tenths + rest) % 10)\(letter)" }
        return "\(roundedUp(bytes, unit))\(letter)"
    }

    private static func roundedUp(_ bytes: UInt64, _ unit: UInt64) -> UInt64 {
        bytes / unit + (bytes % unit == 0 ? 0 : 1)
    }

    /// fattr3's members (RFC 1813 section 2.6) under its names; sizes in bytes, times in UTC, the mode in octal digits.
    static func members(_ attributes: FileAttributes) -> [(name: String, value: JSON)] {
        var members: [(name: String, value: JSON)] = [
            ("type", .string(type(attributes.type))), ("mode", .string(octal(attributes.mode))),
            ("nlink", .unsigned(UInt64(attributes.linkCount))), ("uid", .unsigned(UInt64(attributes.uid))),
            ("gid", .unsigned(UInt64(attributes.gid))), ("size", .unsigned(attributes.size)),
            ("used", .unsigned(attributes.used)),
        ]
        if [.blockDevice, .characterDevice].contains(attributes.type) {
            members.append(
                (
                    "rdev",
                    .array([.unsigned(UInt64(attributes.deviceMajor)), .unsigned(UInt64(attributes.deviceMinor))])
                ))
        }
        return members + [
            ("fsid", .unsigned(attributes.fileSystem)), ("fileid", .unsigned(attributes.fileID)),
            ("atime", .string(universal(attributes.accessTime))),
            ("mtime", .string(universal(attributes.modificationTime))),
            ("ctime", .string(universal(attributes.changeTime))),
        ]
    }
}
