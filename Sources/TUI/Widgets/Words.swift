// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// How numbers, times and states are said.
enum Words {
    /// `3s`, `4m12s`, `2h05m`, `3d4h`: how long ago or how long it took.
    static func span(_ milliseconds: Int64) -> String {
        let seconds = max(0, milliseconds / 1000)
        if seconds < 60 { return "\(seconds)s" }
        if seconds < 3600 { return "\(seconds / 60)m\(two(seconds % 60))s" }
        if seconds < 86_400 { return "\(seconds / 3600)h\(two(seconds / 60 % 60))m" }
        return "\(seconds / 86_400)d\(seconds / 3600 % 24)h"
    }

    static func age(_ from: Timestamp?, _ now: Timestamp) -> String {
        from.map { span(now.milliseconds - $0.milliseconds) } ?? "-"
    }

    /// `14:03:22`, at an offset in seconds from UTC.
    static func clock(_ time: Timestamp, offset: Int64, milliseconds: Bool = false) -> String {
        let all = time.milliseconds + offset * 1000
        let day = ((all % 86_400_000) + 86_400_000) % 86_400_000
        let text = "\(two(day / 3_600_000)):\(two(day / 60_000 % 60)):\(two(day / 1000 % 60))"
        guard milliseconds else { return text }
        return text + "." + (day % 1000 < 100 ? "0" : "") + two(day % 1000)
    }

    /// `2026-11-24 14:03:22`, at an offset in seconds from UTC.
    static func date(_ time: Timestamp, offset: Int64) -> String {
        let local = time.adding(milliseconds: offset * 1000).description
        return local.prefix(10) + " " + clock(time, offset: offset)
    }

    /// `812 B`, `10.4 MB`: powers of ten.
    static func bytes(_ count: Int) -> String {
        if count < 1000 { return "\(count) B" }
        var value = Double(count)
        var unit = 0
        let units = ["kB", "MB", "GB", "TB"]
        value /= 1000
        while value >= 999.95, unit < units.count - 1 {
            value /= 1000
            unit += 1
        }
        let tenths = Int((value * 10).rounded())
        return "\(tenths / 10).\(tenths % 10) \(units[unit])"
    }

    /// `1,204`.
    static func count(_ number: Int) -> String {
        var out = ""
        for (index, digit) in String(number).reversed().enumerated() {
            if index > 0, index % 3 == 0, digit != "-" { out.append(",") }
            out.append(digit)
        }
        return String(out.reversed())
    }

    /// Glyph and word of a task's state; the glyph comes first so that a column of them can be scanned.
    static func state(_ state: TaskState) -> (glyph: String, style: Style) {
        switch state {
        case .pending: (".", .dim)
        case .dispatched: (".", .busy)
        case .running: (">", .busy)
        case .canceling: ("-", .warning)
        case .lost: ("?", .warning)
        case .succeeded: ("v", .good)
        case .failed, .timedOut, .rejected: ("!", .bad)
        case .canceled: ("x", .dim)
        case .interrupted: ("!", .warning)
        }
    }

    private static func two(_ number: Int64) -> String { number < 10 ? "0\(number)" : "\(number)" }
}
