// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Core

/// `tiangong audit replay`.
struct AuditReplayCommand: DeployCommand {
    static let configuration = CommandConfiguration(
        commandName: "replay", abstract: "Play back what a task printed, as fast as it was printed. Nothing is run.")

    @OptionGroup var globals: GlobalOptions

    @Argument(help: "A task's id, or the first characters of it.")
    var task: String

    @Option(help: ArgumentHelp("Times as fast as it was; 0 for no waiting at all.", valueName: "n"))
    var speed: Double = 1

    @Option(help: ArgumentHelp("Never wait longer than this.", valueName: "duration"))
    var idleLimit: SpanArgument?

    @Option(help: ArgumentHelp("Write an asciicast (version 2) to this file instead; - is standard output."))
    var asciicast: String?

    func perform(_ session: CommandSession) async throws(DeployError) -> Int32 {
        guard (0...1_000_000).contains(speed) else {
            throw DeployError(.invalidArgument, "--speed is not between 0 and 1000000")
        }
        guard asciicast == nil || speed == 1 else {
            throw DeployError(.invalidArgument, "--speed cannot be combined with --asciicast: players have their own")
        }
        let command = self
        let (detail, recording) = try await session.withClient(reconnect: .afterFirstLink) {
            client throws(DeployError) in
            let detail = try await client.request(.taskShow(ObjectQuery(id: command.task))).data(as: TaskDetail.self)
            let recording = Recording()
            let follower = LogFollower(client: client, receiver: recording, follow: false)
            _ = try await follower.run([.init(task: detail.task.id)], opening: .onLink)
            return (detail, recording)
        }
        let segments = await recording.segments
        if let asciicast {
            let cast = Asciicast(detail, idleLimit: idleLimit?.seconds)
            try await write(cast.text(segments), to: asciicast, session)
        } else {
            try await play(segments, of: detail.task, session)
        }
        return 0
    }

    private func write(_ text: String, to path: String, _ session: CommandSession) async throws(DeployError) {
        guard path != "-" else { return try await session.output.write(text, to: .output) }
        let file = try OutputFile(path)
        try file.write(text)
        try file.finish()
    }

    private func play(
        _ segments: [LogSegment], of task: TaskRecord, _ session: CommandSession
    ) async throws(DeployError) {
        let output = TaskOutput(
            output: session.output, settings: session.settings, style: TaskOutput.Style(),
            names: [task.id: task.agentName])
        var last = task.startedAt ?? segments.first?.at
        for segment in segments {
            if let last { await wait(Double(segment.at.milliseconds - last.milliseconds) / 1000) }
            last = max(last ?? segment.at, segment.at)
            try await output.receive(segment, of: task.id)
        }
        try await output.ended(task)
    }

    private func wait(_ recorded: Double) async {
        guard speed > 0, recorded > 0 else { return }
        let seconds = min(recorded, idleLimit?.seconds ?? .infinity) / speed
        try? await Task.sleep(for: .seconds(min(seconds, 1e9)))
    }
}
