// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// Everything an operator can set; see tiangong-agent.yaml(5).
struct AgentConfiguration: Sendable, Equatable {
    /// Where the Cloud is.
    var server: ServerEndpoint
    /// The file that holds the agent's token.
    var tokenFile: String
    /// Where the agent keeps its state.
    var dataDirectory: String
    /// Where it belongs, such as `prod`.
    var environment: String
    /// `key=value` pairs that selectors match.
    var labels: [String: String]
    /// Tasks at once.
    var maxConcurrency: Int
    /// From TERM to KILL, unless a task says otherwise.
    var grace: Duration
    /// Raw bytes of output kept per task, unless a task says otherwise.
    var taskLogLimit: Int64
    /// Bytes of output on disk for all tasks, at which programs must wait.
    var spoolLimit: Int
    /// `trace` to `critical`.
    var logLevel: String
}

/// Amounts as people write them.
enum Quantity {
    /// Bytes: `67108864`, `64MiB`, `64M` (1024) or `64MB` (1000); nil when malformed or negative.
    static func bytes(_ text: String) -> Int64? {
        let (number, unit) = split(text)
        guard let value = Int64(number) else { return nil }
        let factor: Int64
        switch unit.lowercased() {
        case "", "b": factor = 1
        case "k", "kib": factor = 1 << 10
        case "m", "mib": factor = 1 << 20
        case "g", "gib": factor = 1 << 30
        case "kb": factor = 1000
        case "mb": factor = 1_000_000
        case "gb": factor = 1_000_000_000
        default: return nil
        }
        let (product, overflow) = value.multipliedReportingOverflow(by: factor)
        return overflow ? nil : product
    }

    /// A span of time: `10` (seconds), `500ms`, `10s`, `5m`, `1h`; nil when malformed or over a year.
    static func duration(_ text: String) -> Duration? {
        let (number, unit) = split(text)
        guard let value = Int64(number), value <= 31_536_000_000 else { return nil }
        let span: Duration
        switch unit.lowercased() {
        case "ms": span = .milliseconds(value)
        case "", "s": span = .seconds(value)
        case "m": span = .seconds(value * 60)
        case "h": span = .seconds(value * 3600)
        default: return nil
        }
        return span <= .seconds(31_536_000) ? span : nil
    }

    private static func split(_ text: String) -> (number: Substring, unit: Substring) {
        let trimmed = text.drop { $0 == " " }
        let end = trimmed.firstIndex { !("0"..."9").contains($0) } ?? trimmed.endIndex
        return (trimmed[..<end], trimmed[end...].drop { $0 == " " })
    }
}
