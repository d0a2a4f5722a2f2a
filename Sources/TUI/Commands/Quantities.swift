// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Core

/// A length of time on the command line: `30s`, `5m`, `2h`, `1d`.
struct SpanArgument: Sendable, Equatable, ExpressibleByArgument {
    /// Seconds, zero or more.
    let seconds: Double

    /// Parses a text; nil when it is not a length of time.
    init?(argument: String) {
        guard let seconds = try? TimeSpan.seconds(argument) else { return nil }
        self.seconds = seconds
    }

    /// As a duration of a clock; at most a century.
    var duration: Duration { .milliseconds(Int64(min(seconds, 3_153_600_000) * 1000)) }
}

/// A number of bytes on the command line: `65536`, `64MiB`.
struct SizeArgument: Sendable, Equatable, ExpressibleByArgument {
    /// Bytes, zero or more.
    let bytes: Int64

    /// Parses a text; nil when it is not a number of bytes.
    init?(argument: String) {
        guard let bytes = try? ByteSize.bytes(argument) else { return nil }
        self.bytes = bytes
    }
}
