// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import NIOCore

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// A recorded task as an asciicast, version 2: a header line, then a line for each piece of output.
///
/// What a player writes to a terminal has been made safe as everything else that is shown; colours stay.
struct Asciicast {
    private let header: Header
    private let start: Timestamp?

    private struct Header: Encodable {
        var version = 2
        var width = 80
        var height = 24
        var timestamp: Int64?
        var idleTimeLimit: Double?
        var title: String

        enum CodingKeys: String, CodingKey {
            case version, width, height, timestamp, title
            case idleTimeLimit = "idle_time_limit"
        }
    }

    /// - Parameters:
    ///   - detail: The task.
    ///   - idleLimit: The longest pause in seconds that players shall make.
    init(_ detail: TaskDetail, idleLimit: Double?) {
        start = detail.task.startedAt
        header = Header(
            timestamp: start.map { $0.milliseconds / 1000 }, idleTimeLimit: idleLimit,
            title: Sanitizer.line("\(detail.task.agentName): \(detail.task.command)"))
    }

    /// The whole file.
    func text(_ segments: [LogSegment]) throws(DeployError) -> String {
        var text = try JSONPrinter.line(header) + "\n"
        var terminals: [LogStream: TerminalText] = [:]
        let start = start ?? segments.first?.at
        var latest: Int64 = 0
        func add(_ output: String) throws(DeployError) {
            guard !output.isEmpty else { return }
            let lines = output.replacing("\n", with: "\r\n")
            text += "[\(Double(latest) / 1000), \"o\", \(try JSONPrinter.line(lines))]\n"
        }
        for segment in segments {
            // Players want times that never go back, as an agent's clock may.
            latest = max(latest, segment.at.milliseconds - (start ?? segment.at).milliseconds)
            var terminal = terminals.removeValue(forKey: segment.stream) ?? TerminalText(color: true)
            try add(String(buffer: terminal.feed(segment.bytes)))
            terminals[segment.stream] = terminal
        }
        for stream in LogStream.allCases { if var rest = terminals[stream] { try add(String(buffer: rest.finish())) } }
        return text
    }
}
