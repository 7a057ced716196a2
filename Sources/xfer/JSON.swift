import NFS

/// A value to be written as JSON (RFC 8259), its members in the order given.
enum JSON: Sendable, CustomStringConvertible {
    case null
    case bool(Bool)
    case integer(Int64)
    case unsigned(UInt64)
    /// Seconds, rates: written with at most six digits behind the point. What is no number becomes null.
    case number(Double)
    case string(String)
    case array([JSON])
    case object([(name: String, value: JSON)])

    /// A file's name under `name`; where it is not UTF-8 a second member `name_bytes` has its bytes in hexadecimal, and
    /// the first one replacement characters.
    static func members(_ member: String, _ name: FileName) -> [(name: String, value: JSON)] {
        let text = (member, JSON.string(name.description))
        guard String(validating: name.bytes, as: UTF8.self) == nil else { return [text] }
        return [text, (member + "_bytes", .string(name.bytes.map { hexadecimal($0) }.joined()))]
    }

    /// In one line.
    var description: String {
        switch self {
        case .null: "null"
        case .bool(let value): value ? "true" : "false"
        case .integer(let value): "\(value)"
        case .unsigned(let value): "\(value)"
        case .number(let value):
            if !value.isFinite {
                "null"
            } else if abs(value) < 9e9 {
                "\((value * 1e6).rounded() / 1e6)"
            } else {
                "\(value)"
            }
        case .string(let text): Self.quoted(text)
        case .array(let values): "[\(values.map(\.description).joined(separator: ","))]"
        case .object(let members):
            "{\(members.map { "\(Self.quoted($0.name)):\($0.value)" }.joined(separator: ","))}"
        }
    }

    private static func quoted(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            case "\r": result += "\\r"
            case "\t": result += "\\t"
            // Control characters, and what a terminal takes for one (C1).
            case _ where scalar.value < 0x20 || (0x7f...0x9f).contains(scalar.value):
                result += "\\u00" + hexadecimal(UInt8(scalar.value))
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result + "\""
    }

    private static func hexadecimal(_ byte: UInt8) -> String {
        let digits = String(byte, radix: 16)
        return digits.count == 1 ? "0" + digits : digits
    }
}
