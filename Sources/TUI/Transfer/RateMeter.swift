// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

/// How fast something goes, over the last seconds.
struct RateMeter: Sendable, Equatable {
    private var marks: [(at: Int64, done: Int64)] = []

    /// Milliseconds that are looked back.
    private static let span: Int64 = 5000
    /// Milliseconds between two marks.
    private static let step: Int64 = 200

    /// So much is done now; times are milliseconds of a clock that only goes forward.
    mutating func note(_ done: Int64, at now: Int64) {
        if let last = marks.last {
            if done < last.done { marks = [] } else if now - last.at < Self.step { return }
        }
        marks.append((now, done))
        // One mark from before the span is kept, to measure all of it.
        while marks.count > 2, now - marks[1].at >= Self.span { marks.removeFirst() }
    }

    /// Units a second; nil as long as nothing can be said.
    func rate(at now: Int64) -> Double? {
        guard let first = marks.first, let last = marks.last else { return nil }
        let elapsed = max(now, last.at) - first.at
        return elapsed >= Self.step ? Double(last.done - first.done) * 1000 / Double(elapsed) : nil
    }

    /// Seconds until all is done at this pace; nil as long as nothing can be said.
    func remaining(_ total: Int64?, at now: Int64) -> Int64? {
        guard let total, let last = marks.last, let rate = rate(at: now), rate > 0 else { return nil }
        let seconds = Double(max(0, total - last.done)) / rate
        return seconds < 1e9 ? Int64(seconds.rounded(.up)) : nil
    }

    static func == (left: RateMeter, right: RateMeter) -> Bool {
        left.marks.elementsEqual(right.marks) { $0.at == $1.at && $0.done == $1.done }
    }
}
