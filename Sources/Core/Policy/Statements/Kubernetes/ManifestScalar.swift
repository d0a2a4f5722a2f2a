// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

/// What a plain scalar of a manifest means: YAML 1.1, as Kubernetes' own tools read it, so that `0644` is a mode and `yes` a
/// flag.
public enum ManifestScalar {
    /// The value of a text that stands in a manifest without quotes.
    public static func read(_ text: String) -> JSONNode {
        switch text {
        case "", "~", "null", "Null", "NULL": return .null
        case "true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON", "y", "Y": return .bool(true)
        case "false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF", "n", "N": return .bool(false)
        default: return number(text).map { .number($0) } ?? .string(text)
        }
    }

    /// The digits of a number as JSON writes them; nil for a text that is none.
    private static func number(_ text: String) -> String? {
        guard let first = text.utf8.first, isDigit(first) || "+-.".utf8.contains(first), text.utf8.count <= 64 else {
            return nil
        }
        let digits = text.replacing("_", with: "")
        return whole(digits) ?? fraction(digits)
    }

    private static func whole(_ text: String) -> String? {
        var rest = text[...]
        let isNegative = rest.first == "-"
        if isNegative || rest.first == "+" { rest.removeFirst() }
        var radix = 10
        for (prefix, base) in [("0x", 16), ("0X", 16), ("0o", 8), ("0b", 2)] where rest.hasPrefix(prefix) {
            rest = rest.dropFirst(2)
            radix = base
        }
        if radix == 10, rest.count > 1, rest.first == "0" { radix = 8 }
        // A sign inside would be taken by the standard library.
        guard let first = rest.first, first.isHexDigit, let magnitude = UInt64(rest, radix: radix) else { return nil }
        if isNegative {
            guard magnitude <= UInt64(Int64.max) else { return nil }
            return magnitude == 0 ? "0" : "-\(magnitude)"
        }
        return String(magnitude)
    }

    /// Decimals such as `-1.50`, `.5` and `1e+3`.
    private static func fraction(_ text: String) -> String? {
        var rest = text.utf8[...]
        func digits() -> Int {
            let count = rest.prefix(while: isDigit).count
            rest = rest.dropFirst(count)
            return count
        }
        if rest.first == UInt8(ascii: "-") || rest.first == UInt8(ascii: "+") { rest = rest.dropFirst() }
        var count = digits()
        if rest.first == UInt8(ascii: ".") {
            rest = rest.dropFirst()
            count += digits()
        }
        guard count > 0 else { return nil }
        if rest.first == UInt8(ascii: "e") || rest.first == UInt8(ascii: "E") {
            rest = rest.dropFirst()
            if rest.first == UInt8(ascii: "-") || rest.first == UInt8(ascii: "+") { rest = rest.dropFirst() }
            guard digits() > 0 else { return nil }
        }
        guard rest.isEmpty, let value = Double(text), value.isFinite else { return nil }
        // The digits themselves, where JSON writes them so; otherwise the shortest that give the same number.
        if (try? JSONText.parse(Array(text.utf8)[...])) == .number(text) { return text }
        return "\(value)"
    }

    private static func isDigit(_ byte: UInt8) -> Bool { (0x30...0x39).contains(byte) }
}
