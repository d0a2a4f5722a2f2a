// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// A moment of a wall clock in milliseconds since 1970, written as RFC 3339 UTC (`2026-11-24T08:30:00.125Z`).
///
/// For people and records only: no decision compares the clocks of two machines.
public struct Timestamp: Sendable, Hashable, Comparable, Codable, CustomStringConvertible {
    /// Milliseconds since 1970-01-01T00:00:00Z.
    public let milliseconds: Int64

    /// - Parameter milliseconds: Milliseconds since 1970, kept between the years 0 and 9999.
    public init(milliseconds: Int64) {
        self.milliseconds = min(max(milliseconds, -62_167_219_200_000), 253_402_300_799_999)
    }

    /// This machine's clock now.
    public static func now() -> Timestamp {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Timestamp(milliseconds: Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000)
    }

    /// This moment moved by a number of milliseconds, saturating.
    public func adding(milliseconds delta: Int64) -> Timestamp {
        let (sum, overflow) = milliseconds.addingReportingOverflow(delta)
        return Timestamp(milliseconds: overflow ? (delta > 0 ? .max : .min) : sum)
    }

    /// Parses RFC 3339 in UTC (`Z`) with up to nine digits of fraction; nil when malformed.
    public init?(_ text: String) {
        var digits = text.utf8.makeIterator()
        func number(_ count: Int) -> Int64? {
            var value: Int64 = 0
            for _ in 0..<count {
                guard let byte = digits.next(), (48...57).contains(byte) else { return nil }
                value = value * 10 + Int64(byte - 48)
            }
            return value
        }
        guard let year = number(4), digits.next() == UInt8(ascii: "-"), let month = number(2),
            digits.next() == UInt8(ascii: "-"), let day = number(2), digits.next() == UInt8(ascii: "T"),
            let hour = number(2), digits.next() == UInt8(ascii: ":"), let minute = number(2),
            digits.next() == UInt8(ascii: ":"), let second = number(2),
            (1...12).contains(month), (1...31).contains(day), hour < 24, minute < 60, second < 61
        else { return nil }
        var fraction: Int64 = 0
        var next = digits.next()
        if next == UInt8(ascii: ".") {
            var scale: Int64 = 100
            var count = 0
            next = digits.next()
            while let byte = next, (48...57).contains(byte), count < 9 {
                fraction += Int64(byte - 48) * scale
                scale /= 10
                count += 1
                next = digits.next()
            }
        }
        guard next == UInt8(ascii: "Z"), digits.next() == nil else { return nil }
        let days = Self.days(year: year, month: month, day: day)
        self.init(milliseconds: ((days * 24 + hour) * 60 + minute) * 60_000 + second * 1000 + fraction)
    }

    /// RFC 3339 with milliseconds.
    public var description: String {
        let time = milliseconds.flooredDivision(by: 86_400_000)
        let (year, month, day) = Self.date(days: time.quotient)
        let seconds = time.remainder / 1000
        func pad(_ value: Int64, _ width: Int) -> String {
            let text = String(value)
            return String(repeating: "0", count: max(0, width - text.count)) + text
        }
        return "\(pad(year, 4))-\(pad(month, 2))-\(pad(day, 2))T\(pad(seconds / 3600, 2)):\(pad(seconds / 60 % 60, 2)):"
            + "\(pad(seconds % 60, 2)).\(pad(time.remainder % 1000, 3))Z"
    }

    /// Reads RFC 3339, or a number of seconds since 1970 as foreign agents may send.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if let text = try? container.decode(String.self), let value = Timestamp(text) {
            self = value
        } else if let seconds = try? container.decode(Double.self), abs(seconds) < 253_402_300_800 {
            self.init(milliseconds: Int64(seconds * 1000))
        } else {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "a time is RFC 3339 in UTC")
        }
    }

    /// Writes RFC 3339 with milliseconds.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }

    /// By time.
    public static func < (left: Self, right: Self) -> Bool { left.milliseconds < right.milliseconds }

    /// Days from 1970 to a civil date of the Gregorian calendar.
    private static func days(year: Int64, month: Int64, day: Int64) -> Int64 {
        let shifted = month <= 2 ? year - 1 : year
        let era = shifted.flooredDivision(by: 400)
        let dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
        let dayOfEra = era.remainder * 365 + era.remainder / 4 - era.remainder / 100 + dayOfYear
        return era.quotient * 146_097 + dayOfEra - 719_468
    }

    private static func date(days: Int64) -> (year: Int64, month: Int64, day: Int64) {
        let era = (days + 719_468).flooredDivision(by: 146_097)
        let dayOfEra = era.remainder
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shifted = (5 * dayOfYear + 2) / 153
        let month = shifted < 10 ? shifted + 3 : shifted - 9
        return (yearOfEra + era.quotient * 400 + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * shifted + 2) / 5 + 1)
    }
}

extension Int64 {
    fileprivate func flooredDivision(by divisor: Int64) -> (quotient: Int64, remainder: Int64) {
        let (quotient, remainder) = quotientAndRemainder(dividingBy: divisor)
        return remainder < 0 ? (quotient - 1, remainder + divisor) : (quotient, remainder)
    }
}
