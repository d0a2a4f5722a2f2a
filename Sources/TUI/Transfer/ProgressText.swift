// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// How progress is said, on the command line and in the console alike.
enum ProgressText {
    /// `[======----]`.
    static func bar(_ done: Int64, of total: Int64, width: Int) -> String {
        let filled = total > 0 ? Int(Double(max(0, min(done, total))) / Double(total) * Double(width)) : width
        return "[" + String(repeating: "=", count: filled) + String(repeating: "-", count: width - filled) + "]"
    }

    /// ` 43%`, always four cells; blank when all is not known.
    static func percent(_ done: Int64, of total: Int64?) -> String {
        guard let total else { return "    " }
        let share = total > 0 ? Int(Double(max(0, min(done, total))) / Double(total) * 100) : 100
        return (share < 10 ? "  " : share < 100 ? " " : "") + "\(share)%"
    }

    /// `177.0/412.0 MB`, `12.3 kB` when all is not known.
    static func amount(_ done: Int64, of total: Int64?) -> String {
        guard let total else { return bytes(done) }
        let whole = bytes(total)
        let unit = whole.drop { $0 != " " }
        let part = bytes(done)
        return part.hasSuffix(unit) ? "\(part.dropLast(unit.count))/\(whole)" : "\(part)/\(whole)"
    }

    /// `61.2 MB/s  ETA 0:03`; what is not known is left out.
    static func pace(_ meter: RateMeter, of total: Int64?, at now: Int64) -> String {
        var words: [String] = []
        if let rate = meter.rate(at: now) { words.append("\(bytes(Int64(min(rate, 1e18))))/s") }
        if let left = meter.remaining(total, at: now) { words.append("ETA \(clock(left))") }
        return words.joined(separator: "  ")
    }

    /// `0:03`, `12:40`, `3:05:00`.
    static func clock(_ seconds: Int64) -> String {
        func two(_ number: Int64) -> String { number < 10 ? "0\(number)" : "\(number)" }
        if seconds < 3600 { return "\(seconds / 60):\(two(seconds % 60))" }
        return "\(seconds / 3600):\(two(seconds / 60 % 60)):\(two(seconds % 60))"
    }

    /// `812 B`, `10.4 MB`.
    static func bytes(_ count: Int64) -> String { Words.bytes(Int(clamping: count)) }

    /// What an upload does now: its pace, or why it waits.
    static func stage(_ stage: UploadProgress.Stage, pace: String) -> String {
        switch stage {
        case .reading: "reading"
        case .sending: pace
        case .waiting(let why): "waiting: \(why)"
        case .completing: "the server completes it"
        }
    }

    /// All of it on one line.
    static func line(
        _ name: String, _ done: Int64, of total: Int64?, _ stage: UploadProgress.Stage, pace: String
    ) -> String {
        [
            TextWidth.fitMiddle(Sanitizer.line(name), 32), percent(done, of: total), amount(done, of: total),
            self.stage(stage, pace: pace),
        ].filter { !$0.isEmpty }.joined(separator: "  ")
    }
}
