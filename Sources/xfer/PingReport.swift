import Glibc
import Handshake
import Transfer

/// What `xfer ping` found out.
struct PingReport: Sendable {
    /// A step that failed.
    struct Failure: Sendable {
        let step: String
        let seconds: Double
        let reason: String
    }

    let name: RemoteName
    var steps: [Transfer.Ping.Step] = []
    var protection: Session.ProtectionReport?
    var peer: PeerIdentity?
    /// Bytes: rtmax and wtmax.
    var limits: (read: UInt32, write: UInt32)?
    /// Seconds.
    var roundTrips: [Double] = []
    var failure: Failure?
    /// Seconds since 1970: what certificates are compared with.
    var now = Int(Glibc.time(nil))

    init(name: RemoteName) { self.name = name }

    /// Days before its end from which on a certificate is warned of.
    private static let notice = 14

    /// About a certificate that expires soon.
    var warning: String? {
        guard let peer, let end = peer.notAfter, end - now < Self.notice * 86400 else { return nil }
        let hours = max(0, end - now) / 3600
        let left = hours < 48 ? "\(hours) hours" : "\(hours / 24) days"
        return "the certificate of \(peer.subject) expires in \(left), on \(Self.date(end))"
    }

    /// Smallest, middle and largest round trip in seconds.
    private var trips: (minimum: Double, median: Double, maximum: Double)? {
        let sorted = roundTrips.sorted()
        guard let first = sorted.first, let last = sorted.last else { return nil }
        let half = sorted.count / 2
        return (first, sorted.count % 2 == 1 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2, last)
    }

    /// Lines for a person.
    var text: String {
        var lines: [(String, String)] = steps.map { ($0.name, Self.time($0.seconds)) }
        if let failure { lines.append((failure.step, "failed after \(Self.time(failure.seconds))")) }
        if let trips {
            lines.append(
                (
                    "\(roundTrips.count) calls",
                    "min \(Self.time(trips.minimum)), median \(Self.time(trips.median)), max \(Self.time(trips.maximum))"
                ))
        }
        if let protection {
            if protection.recordLayer == "none" {
                lines.append(("protection", "none: everything goes in cleartext"))
            } else {
                lines.append(("cipher", "TLS 1.3 \(protection.cipher), record layer \(protection.recordLayer)"))
            }
        }
        if let peer {
            lines.append(("server", "\(peer.subject), serial \(peer.serial)"))
            lines.append(("issuer", peer.issuer))
            if !peer.alternativeNames.isEmpty { lines.append(("names", peer.alternativeNames.joined(separator: ", "))) }
            if let end = peer.notAfter { lines.append(("expires", Self.date(end))) }
        }
        if let limits { lines.append(("one call", "reads up to \(limits.read) bytes, writes up to \(limits.write)")) }
        let width = lines.map(\.0.count).max() ?? 0
        return "\(name)\n"
            + lines.map { "  \($0.0)\(String(repeating: " ", count: width - $0.0.count))  \($0.1)" }
            .joined(separator: "\n")
    }

    var json: JSON {
        var members: [(name: String, value: JSON)] = [
            ("place", .string(name.description)), ("host", .string(name.host)), ("ok", .bool(failure == nil)),
            ("steps", .array(steps.map { .object([("step", .string($0.name)), ("seconds", .number($0.seconds))]) })),
        ]
        if let failure {
            members.append(
                (
                    "failure",
                    .object([
                        ("step", .string(failure.step)), ("seconds", .number(failure.seconds)),
                        ("reason", .string(failure.reason)),
                    ])
                ))
        }
        if let trips {
            members.append(
                (
                    "round_trips",
                    .object([
                        ("count", .integer(Int64(roundTrips.count))), ("min_seconds", .number(trips.minimum)),
                        ("median_seconds", .number(trips.median)), ("max_seconds", .number(trips.maximum)),
                    ])
                ))
        }
        if let protection {
            members.append(("cipher", .string(protection.cipher)))
            members.append(("record_layer", .string(protection.recordLayer)))
        }
        if let peer {
            members.append(
                (
                    "certificate",
                    .object([
                        ("subject", .string(peer.subject)), ("issuer", .string(peer.issuer)),
                        ("serial", .string(peer.serial)), ("sha256", .string(peer.fingerprint)),
                        ("names", .array(peer.alternativeNames.map { .string($0) })),
                        ("expires", peer.notAfter.map { .integer(Int64($0)) } ?? .null),
                    ])
                ))
        }
        if let limits {
            members.append(("rtmax", .unsigned(UInt64(limits.read))))
            members.append(("wtmax", .unsigned(UInt64(limits.write))))
        }
        return .object(members)
    }

    /// `0.123 ms`, `12.3 ms`, `1.23 s`
    static func time(_ seconds: Double) -> String {
        let bounded = min(max(0, seconds), 1e9)
        if bounded >= 1 { return "\(Units.decimal(bounded, 2)) s" }
        return "\(Units.decimal(bounded * 1000, bounded < 0.01 ? 3 : 1)) ms"
    }

    private static func date(_ seconds: Int) -> String {
        var time = time_t(seconds)
        var parts = tm()
        gmtime_r(&time, &parts)
        var text = [CChar](repeating: 0, count: 64)
        let count = strftime(&text, text.count, "%Y-%m-%d %H:%M UTC", &parts)
        return String(decoding: text.prefix(count).map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
