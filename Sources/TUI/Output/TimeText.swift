// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// Times and spans in few characters.
enum TimeText {
    /// How long ago, by the given clock: `12s`, `5m`, `3h`, `9d`; a moment in the future is `0s`.
    static func age(_ moment: Timestamp, now: Timestamp) -> String {
        let seconds = max(0, (now.milliseconds - moment.milliseconds) / 1000)
        return switch seconds {
        case ..<120: "\(seconds)s"
        case ..<7200: "\(seconds / 60)m"
        case ..<172_800: "\(seconds / 3600)h"
        default: "\(seconds / 86_400)d"
        }
    }

    /// A span between two moments of one clock: `0.4s`, `12s`, `3m20s`, `2h05m`.
    static func span(_ from: Timestamp, _ to: Timestamp) -> String {
        let milliseconds = max(0, to.milliseconds - from.milliseconds)
        let seconds = milliseconds / 1000
        return switch seconds {
        case ..<10: "\(seconds).\(milliseconds / 100 % 10)s"
        case ..<60: "\(seconds)s"
        case ..<3600: "\(seconds / 60)m\(twoDigits(seconds % 60))s"
        default: "\(seconds / 3600)h\(twoDigits(seconds / 60 % 60))m"
        }
    }

    /// A number of seconds as it would be typed: `30s`, `2h`, `1.5s`.
    static func seconds(_ value: Double) -> String {
        for (unit, size) in [("d", 86_400.0), ("h", 3600), ("m", 60)] where value >= size {
            let count = value / size
            if count == count.rounded(.down) { return "\(Int64(count))\(unit)" }
        }
        return value == value.rounded(.down) && value < 1e15 ? "\(Int64(value))s" : "\(value)s"
    }

    private static func twoDigits(_ value: Int64) -> String { value < 10 ? "0\(value)" : "\(value)" }
}
