// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Core

/// When to put the agent's name before each line.
enum PrefixMode: String, Sendable, CaseIterable, ExpressibleByArgument {
    /// With several tasks.
    case auto
    /// Always.
    case name
    /// Never.
    case none
}

/// What every run takes, whatever the type of its tasks.
struct RunOptions: ParsableArguments {
    @OptionGroup var rollout: RolloutOptions

    @Option(help: ArgumentHelp("End each task after this time.", valueName: "duration"))
    var timeout: SpanArgument?

    @Option(help: ArgumentHelp("Time a task has to stop in good order before it is killed.", valueName: "duration"))
    var grace: SpanArgument?

    @Flag(help: "Print the run's id and leave.")
    var detach = false

    @Option(help: ArgumentHelp("Give up tasks not delivered in this time.", valueName: "duration"))
    var expires: SpanArgument?

    @Option(help: ArgumentHelp("Keep at most this much output of each task.", valueName: "size"))
    var logLimit: SizeArgument?

    @Option(help: ArgumentHelp("The same key gives the same run again for 24 hours.", valueName: "key"))
    var idempotencyKey: String?

    @Option(help: ArgumentHelp("Agent names before lines: auto, name or none.", valueName: "mode"))
    var prefix = PrefixMode.auto

    @Option(help: ArgumentHelp("Leave with status 8 when the run takes longer; it goes on.", valueName: "duration"))
    var wait: SpanArgument?

    /// The request for a run. Throws `invalid_argument` and `too_large` as the Cloud would.
    func request(
        _ selector: TargetSelector, _ type: String, command: String, params: [String: JSONValue]
    ) throws(DeployError) -> RunCreate {
        let spec = TaskSpec(
            type: type, command: command, params: params, timeout: timeout?.seconds, grace: grace?.seconds,
            expiresIn: expires?.seconds, logLimit: logLimit?.bytes)
        try spec.validate()
        let key = idempotencyKey ?? Identifier<RunKind>.random().rawValue
        return RunCreate(
            selector: selector, spec: spec, idempotencyKey: key, follow: detach ? nil : true,
            rollout: try rollout.rollout())
    }

    /// Connects, lets `make` say what to run, makes the run, and follows it to its end unless it is to be left alone.
    func perform(
        _ session: CommandSession,
        _ make: @escaping @Sendable (OperatorClient) async throws(DeployError) -> RunCreate
    ) async throws(DeployError) -> Int32 {
        guard !detach else {
            let detail = try await session.withClient { client throws(DeployError) in
                try await client.request(.runCreate(try await make(client))).data(as: RunDetail.self)
            }
            try await session.show(detail, detached: true)
            return 0
        }
        let options = RunFollower.Options(prefix: prefix, wait: wait?.duration, grace: grace?.seconds)
        let interrupts = Interrupts()
        return try await session.withClient(reconnect: .afterFirstLink) { client throws(DeployError) in
            let request = try await make(client)
            return try await RunFollower(client: client, session: session, interrupts: interrupts, options: options)
                .run(request)
        }
    }
}

/// What a task is to work on: words of the command line, or a file.
struct CommandText: ParsableArguments {
    @Option(help: ArgumentHelp("Read the command from this file; - for standard input.", valueName: "file"))
    var file: String?

    /// The text, words joined by blanks. Throws `invalid_argument` when there are words and a file, or when the file
    /// cannot be read, and `too_large` for one over so many bytes.
    func text(_ words: [String], limit: Int) throws(DeployError) -> String {
        guard let file else { return words.joined(separator: " ") }
        guard words.isEmpty else {
            throw DeployError(
                .invalidArgument, "'\(words[0].prefix(64))' and --file exclude each other", hint: "give one of them")
        }
        let name = file == "-" ? "standard input" : file
        let bytes =
            file == "-" ? try BoundedFile.bytes(0, name: name, limit: limit) : try BoundedFile.bytes(file, limit: limit)
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw DeployError(.invalidArgument, "\(name) is not text")
        }
        return text
    }
}

extension CommandSession {
    /// Writes a run: its id alone, or as JSON.
    func show(_ detail: RunDetail, detached: Bool) async throws(DeployError) {
        switch settings.format {
        case .table: if detached { try await print(detail.run.id.rawValue) }
        case .json: try await print(try JSONPrinter.pretty(detail))
        case .jsonl: try await print(try JSONPrinter.line(detail))
        }
    }
}
