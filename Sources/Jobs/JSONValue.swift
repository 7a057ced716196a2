/// JSON (RFC 8259) as it is read: a line of the input, and what the state keeps.
enum JSONValue: Sendable, Equatable {
    case null
    case bool(Bool)
    /// As it is written.
    case number(String)
    case string(String)
    case array([JSONValue])
    case object([(String, JSONValue)])

    static func == (a: JSONValue, b: JSONValue) -> Bool { a.text == b.text }

    /// Values within values, at most: what recurses must not run out of stack.
    static let depth = 32

    /// - Throws: ``JSONError`` with the column, from 1.
    init(_ bytes: [UInt8]) throws(JSONError) {
        var reader = JSONReader(bytes)
        self = try reader.whole()
    }

    /// In one line.
    var text: String {
        switch self {
        case .null: "null"
        case .bool(let flag): flag ? "true" : "false"
        case .number(let text): text
        case .string(let text): Self.quoted(text)
        case .array(let items): "[\(items.map(\.text).joined(separator: ","))]"
        case .object(let members): "{\(members.map { "\(Self.quoted($0)):\($1.text)" }.joined(separator: ","))}"
        }
    }

    private static func quoted(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case _ where scalar.value < 0x20:
                result += "\\u00" + (scalar.value < 16 ? "0" : "") + String(scalar.value, radix: 16)
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result + "\""
    }
}

/// What is wrong with a text that should be JSON.
struct JSONError: Error, CustomStringConvertible {
    let description: String
}

private struct JSONReader {
    private let bytes: [UInt8]
    private var at = 0

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    private var next: UInt8? { at < bytes.count ? bytes[at] : nil }

    private func error(_ what: String) -> JSONError { JSONError(description: "\(what) at column \(at + 1)") }

    mutating func whole() throws(JSONError) -> JSONValue {
        let value = try value(JSONValue.depth)
        skipSpace()
        guard next == nil else { throw error("more behind the JSON value") }
        return value
    }

    private mutating func skipSpace() { while let byte = next, [0x20, 0x09, 0x0a, 0x0d].contains(byte) { at += 1 } }

    private mutating func take(_ byte: Character) -> Bool {
        guard next == byte.asciiValue else { return false }
        at += 1
        return true
    }

    private mutating func value(_ depth: Int) throws(JSONError) -> JSONValue {
        guard depth > 0 else { throw error("values too deep in each other") }
        skipSpace()
        switch next.map({ Character(UnicodeScalar($0)) }) {
        case "{": return try object(depth)
        case "[": return try array(depth)
        case "\"": return .string(try string())
        case "t": return try word("true", .bool(true))
        case "f": return try word("false", .bool(false))
        case "n": return try word("null", .null)
        case "-", "0", "1", "2", "3", "4", "5", "6", "7", "8", "9": return try number()
        case nil: throw error("the end, where a value is wanted")
        default: throw error("no JSON value")
        }
    }

    private mutating func word(_ word: String, _ value: JSONValue) throws(JSONError) -> JSONValue {
        guard bytes[at...].starts(with: word.utf8) else { throw error("no JSON value") }
        at += word.utf8.count
        return value
    }

    private mutating func object(_ depth: Int) throws(JSONError) -> JSONValue {
        at += 1
        var members: [(String, JSONValue)] = []
        skipSpace()
        if take("}") { return .object([]) }
        while true {
            skipSpace()
            guard next == UInt8(ascii: "\"") else { throw error("no member's name in quotes") }
            let name = try string()
            guard !members.contains(where: { $0.0 == name }) else { throw error("a second '\(name)'") }
            skipSpace()
            guard take(":") else { throw error("no ':' behind a member's name") }
            members.append((name, try value(depth - 1)))
            skipSpace()
            if take("}") { return .object(members) }
            guard take(",") else { throw error("neither ',' nor '}' behind a member") }
        }
    }

    private mutating func array(_ depth: Int) throws(JSONError) -> JSONValue {
        at += 1
        var items: [JSONValue] = []
        skipSpace()
        if take("]") { return .array([]) }
        while true {
            items.append(try value(depth - 1))
            skipSpace()
            if take("]") { return .array(items) }
            guard take(",") else { throw error("neither ',' nor ']' behind an item") }
        }
    }

    private mutating func digits() throws(JSONError) {
        let start = at
        while let byte = next, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) { at += 1 }
        guard at > start else { throw error("no digit, where one is wanted") }
    }

    private mutating func number() throws(JSONError) -> JSONValue {
        let start = at
        _ = take("-")
        let isZero = next == UInt8(ascii: "0")
        let first = at
        try digits()
        guard !isZero || at == first + 1 else { throw error("a number that begins with 0") }
        if take(".") { try digits() }
        if take("e") || take("E") {
            if !take("+") { _ = take("-") }
            try digits()
        }
        return .number(String(decoding: bytes[start..<at], as: UTF8.self))
    }

    private mutating func string() throws(JSONError) -> String {
        at += 1
        var result: [UInt8] = []
        while let byte = next {
            at += 1
            switch byte {
            case UInt8(ascii: "\""):
                guard let text = String(validating: result, as: UTF8.self) else {
                    throw error("bytes that are no UTF-8")
                }
                return text
            case UInt8(ascii: "\\"): try escape(&result)
            case 0..<0x20:
                at -= 1
                throw error("a control character in a string")
            default: result.append(byte)
            }
        }
        throw error("a string without its end")
    }

    private mutating func escape(_ result: inout [UInt8]) throws(JSONError) {
        guard let byte = next else { throw error("a string without its end") }
        at += 1
        switch Character(UnicodeScalar(byte)) {
        case "\"", "\\", "/": result.append(byte)
        case "b": result.append(8)
        case "f": result.append(12)
        case "n": result.append(10)
        case "r": result.append(13)
        case "t": result.append(9)
        case "u":
            var code = try hexadecimal()
            if (0xd800..<0xdc00).contains(code) {
                guard take("\\"), take("u") else { throw error("half a surrogate pair") }
                let low = try hexadecimal()
                guard (0xdc00..<0xe000).contains(low) else { throw error("half a surrogate pair") }
                code = 0x10000 + (code - 0xd800) << 10 + (low - 0xdc00)
            }
            guard let scalar = UnicodeScalar(code) else { throw error("half a surrogate pair") }
            result += Array(String(Character(scalar)).utf8)
        default:
            at -= 1
            throw error("an escape that JSON has not")
        }
    }

    private mutating func hexadecimal() throws(JSONError) -> UInt32 {
        guard at + 4 <= bytes.count, bytes[at] != UInt8(ascii: "+"), bytes[at] != UInt8(ascii: "-"),
            let code = UInt32(String(decoding: bytes[at..<at + 4], as: UTF8.self), radix: 16)
        else { throw error("no four hexadecimal digits") }
        at += 4
        return code
    }
}
