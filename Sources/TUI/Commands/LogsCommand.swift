// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Core

extension StreamChoice: ExpressibleByArgument {}

/// `tiangong logs`.
struct LogsCommand: DeployCommand {
    static let configuration = CommandConfiguration(
        commandName: "logs", abstract: "Print the output of a task, or of every task of a run.")

    @OptionGroup var globals: GlobalOptions

    @Argument(help: "A task's or a run's id, or the first characters of it.")
    var id: String

    @Flag(name: .shortAndLong, help: "Go on until the task ends; exit with its status.")
    var follow = false

    @Flag(help: "Exact bytes, and no notes; not on a terminal.")
    var raw = false

    @Flag(help: "With --raw: exact bytes also on a terminal, which then does what they say.")
    var force = false

    @Option(help: ArgumentHelp("Start with this chunk.", valueName: "seq"))
    var from: Int64 = 0

    @Option(help: "stdout, stderr or all.")
    var stream = StreamChoice.all

    func perform(_ session: CommandSession) async throws(DeployError) -> Int32 {
        guard from >= 0 else { throw DeployError(.invalidArgument, "--from is negative") }
        guard raw || !force else { throw DeployError(.invalidArgument, "--force is for --raw only") }
        let settings = session.settings
        let wanted = stream == .stderr ? settings.errorIsTerminal : settings.outputIsTerminal
        guard !raw || force || !wanted || settings.format != .table else {
            throw DeployError(
                .invalidArgument, "--raw would let this output control the terminal",
                hint: "write to a file or a pipe, leave --raw out, or add --force")
        }
        let command = self
        return try await session.withClient(reconnect: .afterFirstLink) { client throws(DeployError) in
            let tasks = try await FoundObject.find(command.id, client).tasks
            guard command.from == 0 || tasks.count == 1 else {
                throw DeployError(.invalidArgument, "--from is for one task, this run has \(tasks.count)")
            }
            let ended = try await command.read(tasks, client, session)
            return command.follow ? TaskOutcome.exitStatus(ended) : 0
        }
    }

    private func read(
        _ tasks: [TaskRecord], _ client: OperatorClient, _ session: CommandSession
    ) async throws(DeployError) -> [TaskRecord] {
        let names = Dictionary(tasks.map { ($0.id, $0.agentName) }) { first, _ in first }
        guard session.settings.format == .table else {
            let events = TaskEvents(
                output: session.output, asArray: session.settings.format == .json, streams: stream, names: names)
            let ended = try await read(tasks, client, events)
            try await events.finish()
            return ended
        }
        let style = TaskOutput.Style(raw: raw, force: force, prefixed: tasks.count > 1 && !raw, streams: stream)
        return try await read(
            tasks, client, TaskOutput(output: session.output, settings: session.settings, style: style, names: names))
    }

    /// All at once when following, one after the other when not.
    private func read(
        _ tasks: [TaskRecord], _ client: OperatorClient, _ receiver: any LogReceiver
    ) async throws(DeployError) -> [TaskRecord] {
        let follower = LogFollower(client: client, receiver: receiver, follow: follow)
        let starts = tasks.map { LogFollower.Start(task: $0.id, fromSeq: from) }
        if follow { return try await follower.run(starts, opening: .onLink) }
        var ended: [TaskRecord] = []
        for start in starts {
            ended += try await follower.run([start], opening: ended.isEmpty ? .onLink : .now)
        }
        return ended
    }
}
