// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser

/// A length of time as people type it: `30s`, `5m`, `1h30m`, `500ms`, `2d`, or a plain number of seconds.
struct TimeSpan: Sendable, Equatable, ExpressibleByArgument {
    /// Seconds, zero or more, at most 100 years.
    let seconds: Double
    private static let units: [(name: String, seconds: Double)] = [
        ("ms", 0.001), ("s", 1), ("m", 60), ("h", 3600), ("d", 86_400), ("w", 604_800),
    ]
    private static let limit = 3_153_600_000.0

    /// Parses a text; nil when it is not a length of time.
    init?(argument: String) {
        if let plain = Self.number(Substring(argument)) {
            seconds = plain
        } else {
            var total = 0.0
            var rest = Substring(argument)
            guard !rest.isEmpty else { return nil }
            while !rest.isEmpty {
                let digits = rest.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
                rest = rest[digits.endIndex...]
                let letters = rest.prefix { $0.isASCII && $0.isLetter }
                rest = rest[letters.endIndex...]
                guard let value = Self.number(digits), let unit = Self.units.first(where: { $0.name == letters }) else {
                    return nil
                }
                total += value * unit.seconds
            }
            seconds = total
        }
        guard seconds <= Self.limit else { return nil }
    }

    /// As a duration of a clock.
    var duration: Duration { .milliseconds(Int64(seconds * 1000)) }

    private static func number(_ text: Substring) -> Double? {
        guard let first = text.first, first.isNumber, text.utf8.count <= 20,
            text.utf8.allSatisfy({ (48...57).contains($0) || $0 == 46 })
        else { return nil }
        return Double(text)
    }
}

/// A number of bytes as people type it: `65536`, `64KiB`, `64MiB`, `1GiB`, `10MB`.
struct ByteSize: Sendable, Equatable, ExpressibleByArgument {
    /// Bytes, zero or more.
    let bytes: Int64
    private static let units: [String: Int64] = [
        "": 1, "b": 1, "k": 1 << 10, "kib": 1 << 10, "m": 1 << 20, "mib": 1 << 20, "g": 1 << 30, "gib": 1 << 30,
        "t": 1 << 40, "tib": 1 << 40, "kb": 1000, "mb": 1_000_000, "gb": 1_000_000_000, "tb": 1_000_000_000_000,
    ]

    /// Parses a text; nil when it is not a number of bytes or too large for 63 bits.
    init?(argument: String) {
        let digits = argument.prefix { $0.isASCII && $0.isNumber }
        guard let value = Int64(digits), let unit = Self.units[argument[digits.endIndex...].lowercased()] else {
            return nil
        }
        let (product, overflow) = value.multipliedReportingOverflow(by: unit)
        guard !overflow else { return nil }
        bytes = product
    }
}
