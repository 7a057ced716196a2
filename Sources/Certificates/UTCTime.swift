import CCrypto
import Glibc

/// Points in time as people read them and as certificates hold them.
package enum UTCTime {
    /// `2026-01-31 13:45:00 UTC`
    ///
    /// - Parameter seconds: since 1970.
    package static func text(_ seconds: Int) -> String {
        var seconds = seconds
        var parts = tm()
        guard gmtime_r(&seconds, &parts) != nil else { return "\(seconds) s after 1970" }
        func padded(_ number: Int32, _ width: Int) -> String {
            let digits = "\(number)"
            return String(repeating: "0", count: max(0, width - digits.count)) + digits
        }
        let day = "\(padded(parts.tm_year &+ 1900, 4))-\(padded(parts.tm_mon + 1, 2))-\(padded(parts.tm_mday, 2))"
        return "\(day) \(padded(parts.tm_hour, 2)):\(padded(parts.tm_min, 2)):\(padded(parts.tm_sec, 2)) UTC"
    }

    /// Seconds since 1970 of an ASN1_TIME; nil where it holds no valid time.
    static func seconds(_ time: UnsafePointer<ASN1_TIME>?) -> Int? {
        guard let time else { return nil }
        var parts = tm()
        guard ASN1_TIME_to_tm(time, &parts) == 1 else { return nil }
        return timegm(&parts)
    }
}

/// The time a certificate is valid in.
package struct Validity: Sendable, Equatable {
    /// Seconds since 1970, both inclusive.
    package let notBefore: Int
    package let notAfter: Int

    package init(notBefore: Int, notAfter: Int) {
        self.notBefore = notBefore
        self.notAfter = notAfter
    }

    /// From now on for a number of days. It begins five minutes ago, since a peer's clock may be a little behind.
    ///
    /// - Parameter days: 1...36500.
    /// - Throws: ``CertificateError`` where `days` is out of its range.
    package static func days(_ days: Int) throws(CertificateError) -> Validity {
        guard (1...36500).contains(days) else {
            throw CertificateError(.invalidSetting, "a validity of \(days) days: it must be 1 to 36500")
        }
        let now = time(nil)
        return Validity(notBefore: now - 300, notAfter: now + days * 86400)
    }
}
