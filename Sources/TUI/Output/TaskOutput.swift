// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import NIOCore

/// Which of a task's outputs are wanted.
enum StreamChoice: String, Sendable, CaseIterable {
    case stdout
    case stderr
    case all
}

/// Task output as the command line shows it: standard output to standard output, standard error to standard error.
///
/// Bytes are passed on as they are; on a terminal they go through the sanitiser.
actor TaskOutput: LogReceiver {
    /// How output is shown.
    struct Style: Sendable {
        /// Exact bytes, nothing added.
        var raw = false
        /// Exact bytes even on a terminal.
        var force = false
        /// Whether to put the agent's name before each line.
        var prefixed = false
        /// Which streams.
        var streams = StreamChoice.all
    }

    private struct Lane {
        let destination: RawOutput.Destination
        var terminal: TerminalText?
        var prefixer: LinePrefixer?

        mutating func feed(_ bytes: ByteBuffer) -> ByteBuffer {
            let shown = terminal?.feed(bytes) ?? bytes
            return prefixer?.feed(shown) ?? shown
        }

        mutating func finish() -> ByteBuffer {
            let rest = terminal?.finish() ?? ByteBuffer()
            guard prefixer != nil else { return rest }
            var lines = prefixer?.feed(rest) ?? ByteBuffer()
            var last = prefixer?.finish() ?? ByteBuffer()
            lines.writeBuffer(&last)
            return lines
        }
    }

    private struct Key: Hashable {
        var task: TaskID
        var stream: LogStream
    }

    private let output: RawOutput
    private let settings: OutputSettings
    private let style: Style
    private let names: [TaskID: String]
    private var lanes: [Key: Lane] = [:]

    /// - Parameters:
    ///   - output: Where to.
    ///   - settings: Terminal, colour, quiet.
    ///   - style: How.
    ///   - names: The agent's name of each task.
    init(output: RawOutput, settings: OutputSettings, style: Style, names: [TaskID: String]) {
        self.output = output
        self.settings = settings
        self.style = style
        self.names = names.mapValues(Sanitizer.line)
    }

    /// Shows bytes; notes of the system go to standard error, except with `raw`.
    func receive(_ segment: LogSegment, of task: TaskID) async throws(DeployError) {
        let stream = segment.stream
        if stream == .system {
            guard !style.raw, !settings.quiet else { return }
            let text = String(buffer: segment.bytes)
            for line in text.split(separator: "\n") { try await note("\(name(task)): \(line)") }
            return
        }
        guard style.streams == .all || style.streams.rawValue == stream.rawValue else { return }
        if segment.missing > 0, !style.raw, !settings.quiet {
            try await note("\(name(task)): \(segment.missing) bytes of \(stream.rawValue) are missing here")
        }
        let key = Key(task: task, stream: stream)
        var lane = lanes[key] ?? makeLane(key)
        let bytes = lane.feed(segment.bytes)
        lanes[key] = lane
        try await output.write(bytes, to: lane.destination)
    }

    /// Shows what was held back of the task's streams.
    func ended(_ task: TaskRecord) async throws(DeployError) {
        for stream in [LogStream.stdout, .stderr] {
            guard var lane = lanes.removeValue(forKey: Key(task: task.id, stream: stream)) else { continue }
            try await output.write(lane.finish(), to: lane.destination)
        }
    }

    /// Says that the link was lost.
    func interrupted(_ error: DeployError, retryIn: Duration) async {
        guard !settings.quiet else { return }
        let seconds = max(1, Int(retryIn.components.seconds) + (retryIn.components.attoseconds > 0 ? 1 : 0))
        try? await note("\(error.message); trying again in \(seconds) s")
    }

    /// Says that the link is back.
    func resumed() async {
        guard !settings.quiet else { return }
        try? await note("connected again, going on where the output stopped")
    }

    private func note(_ text: String) async throws(DeployError) {
        try await output.write(Diagnostics.note(text), to: .error)
    }

    private func name(_ task: TaskID) -> String { names[task] ?? task.short }

    private func makeLane(_ key: Key) -> Lane {
        let destination: RawOutput.Destination = key.stream == .stderr ? .error : .output
        let isTerminal = destination == .error ? settings.errorIsTerminal : settings.outputIsTerminal
        return Lane(
            destination: destination,
            terminal: isTerminal && !(style.raw && style.force) ? TerminalText(color: settings.color) : nil,
            prefixer: style.prefixed ? LinePrefixer(name: name(key.task)) : nil)
    }
}
