// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import NIOCore

/// Task output as JSON objects: one a line, or the elements of one array.
///
/// Bytes that are not UTF-8 are given as `base64` instead of `text`; chunks end where they end, also inside a character.
actor TaskEvents: LogReceiver {
    private struct LogEvent: Encodable {
        var type = "log"
        var task: TaskID
        var agent: String?
        var stream: LogStream
        var seq: Int64
        var offset: Int64
        var at: Timestamp
        var text: String?
        var base64: String?

        enum CodingKeys: String, CodingKey {
            case type, agent, stream, seq, offset, at, text, base64
            case task = "task_id"
        }
    }

    private struct EndEvent: Encodable {
        var type = "end"
        var task: TaskRecord
    }

    private let output: RawOutput
    private let asArray: Bool
    private let streams: StreamChoice
    private let names: [TaskID: String]
    private var count = 0

    /// - Parameters:
    ///   - output: Where to.
    ///   - asArray: One JSON array instead of lines; ``finish()`` closes it.
    ///   - streams: Which streams; notes of the system come with `all` only.
    ///   - names: The agent's name of each task.
    init(output: RawOutput, asArray: Bool, streams: StreamChoice, names: [TaskID: String]) {
        self.output = output
        self.asArray = asArray
        self.streams = streams
        self.names = names
    }

    /// Writes one `log` object.
    func receive(_ segment: LogSegment, of task: TaskID) async throws(DeployError) {
        guard streams == .all || streams.rawValue == segment.stream.rawValue else { return }
        let bytes = segment.bytes.readableBytesView
        let text = String(validating: bytes, as: UTF8.self)
        try await emit(
            LogEvent(
                task: task, agent: names[task], stream: segment.stream, seq: segment.seq, offset: segment.offset,
                at: segment.at, text: text, base64: text == nil ? Base64.encode(bytes) : nil))
    }

    /// Writes one `end` object.
    func ended(_ task: TaskRecord) async throws(DeployError) { try await emit(EndEvent(task: task)) }

    /// Nothing: a reader of JSON sees one unbroken stream.
    func interrupted(_ error: DeployError, retryIn: Duration) async {}

    /// Nothing.
    func resumed() async {}

    /// Closes the array.
    func finish() async throws(DeployError) {
        guard asArray else { return }
        try await output.write(count == 0 ? "[]\n" : "\n]\n", to: .output)
    }

    private func emit(_ event: some Encodable) async throws(DeployError) {
        let json = try JSONPrinter.line(event)
        let before = asArray ? (count == 0 ? "[\n" : ",\n") : ""
        count += 1
        try await output.write(before + json + (asArray ? "" : "\n"), to: .output)
    }
}
