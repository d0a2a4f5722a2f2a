// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

/// Spans of time as people write them: `1.5s`, `90s`, `5m`, `12h`, `90d`; a bare number is seconds.
public enum TimeSpan {
    /// The span in seconds; throws `invalid_argument` for anything else or negative.
    public static func seconds(_ text: String) throws(DeployError) -> Double {
        let units: [(String, Double)] = [("ms", 0.001), ("s", 1), ("m", 60), ("h", 3600), ("d", 86_400), ("", 1)]
        for (suffix, factor) in units where text.hasSuffix(suffix) {
            if let value = Decimal.value(text.dropLast(suffix.count)), value <= 1e12 {
                return value * factor
            }
        }
        throw DeployError(.invalidArgument, "'\(text)' is not a span of time", hint: "write it like 30s, 5m, 2h or 1d")
    }
}

/// Sizes as people write them: `64MiB`, `1GB`, `512k`; a bare number is bytes.
public enum ByteSize {
    /// The size in bytes; throws `invalid_argument` for anything else, negative or too large for 63 bits.
    public static func bytes(_ text: String) throws(DeployError) -> Int64 {
        let units: [(String, Double)] = [
            ("kib", 1024), ("mib", 1_048_576), ("gib", 1_073_741_824), ("tib", 1_099_511_627_776), ("kb", 1000),
            ("mb", 1_000_000), ("gb", 1e9), ("tb", 1e12), ("k", 1024), ("m", 1_048_576), ("g", 1_073_741_824), ("b", 1),
            ("", 1),
        ]
        let lower = text.lowercased()
        for (suffix, factor) in units where lower.hasSuffix(suffix) {
            if let value = Decimal.value(lower.dropLast(suffix.count)), value * factor < 9e18 {
                return Int64(value * factor)
            }
        }
        throw DeployError(.invalidArgument, "'\(text)' is not a size", hint: "write it like 64MiB or 1GB")
    }
}

/// Plain decimal numbers: digits with at most one point, no sign, no exponent, no hexadecimal.
private enum Decimal {
    static func value(_ text: Substring) -> Double? {
        guard text.utf8.allSatisfy({ (48...57).contains($0) || $0 == UInt8(ascii: ".") }) else { return nil }
        return Double(text)
    }
}

/// `key=value` pairs of labels and variables.
public enum KeyValue {
    /// The pairs as they would be typed, in the order of their keys: `role=db,zone=a`.
    public static func text(_ pairs: [String: String]) -> String {
        pairs.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }.joined(separator: ",")
    }

    /// The pairs by key, a later one winning; throws `invalid_argument` for one without `=` or without a key.
    public static func dictionary(_ pairs: [String]) throws(DeployError) -> [String: String] {
        var result: [String: String] = [:]
        for pair in pairs {
            guard let index = pair.firstIndex(of: "="), index > pair.startIndex else {
                throw DeployError(.invalidArgument, "'\(pair)' is not key=value")
            }
            result[String(pair[..<index])] = String(pair[pair.index(after: index)...])
        }
        return result
    }
}
