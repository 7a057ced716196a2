import Foundation

/// What is going on, on standard error.
enum Progress {
    static func say(_ line: String) { FileHandle.standardError.write(Data("\(line)\n".utf8)) }

    /// Three digits that count.
    static func number(_ value: Double) -> String {
        guard value.isFinite else { return "-" }
        let size = abs(value)
        if value == value.rounded(), size < 1000 { return "\(Int(value))" }
        if size >= 1000 {
            // 22,700
            var digits = "\(Int(value.rounded()))"
            var at = digits.count - 3
            while at > 0 {
                digits.insert(",", at: digits.index(digits.startIndex, offsetBy: at))
                at -= 3
            }
            return digits
        }
        return fixed(value, size >= 100 ? 0 : size >= 10 ? 1 : size >= 0.1 ? 2 : 4)
    }

    static func fixed(_ value: Double, _ places: Int) -> String {
        guard value.isFinite else { return "-" }
        var scale = 1.0
        for _ in 0..<places { scale *= 10 }
        let scaled = Int((abs(value) * scale).rounded())
        let sign = value < 0 && scaled > 0 ? "-" : ""
        if places == 0 { return "\(sign)\(scaled)" }
        let part = "\(scaled % Int(scale))"
        return "\(sign)\(scaled / Int(scale)).\(String(repeating: "0", count: places - part.count))\(part)"
    }
}
