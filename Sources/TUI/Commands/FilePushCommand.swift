// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Core

/// `tiangong file push`.
struct FilePushCommand: DeployCommand {
    static let configuration = CommandConfiguration(
        commandName: "push", abstract: "Bring files and directories to agents.",
        discussion: """
            Files of this host are uploaded first; content that the server has is not sent again. One file takes the \
            destination's name, unless that ends with a slash; several, and those of directories, go below it. \
            ^C cancels the run and waits for it; a second ^C leaves.
            """)

    @OptionGroup var globals: GlobalOptions
    @OptionGroup var transfer: TransferOptions

    @Option(help: ArgumentHelp("Permissions in octal, such as 0644.", valueName: "mode"))
    var mode: String?

    @Flag(help: "Give each file the permissions it has on this host.")
    var keepModes = false

    @Option(help: ArgumentHelp("The files' owner; the agents must run as root.", valueName: "name"))
    var owner: String?

    @Option(help: ArgumentHelp("The files' group.", valueName: "name"))
    var group: String?

    @Flag(help: "Keep what is replaced beside it.")
    var backup = false

    @Flag(help: "Make directories that are missing on the way.")
    var parents = false

    @Option(name: .shortAndLong, help: ArgumentHelp("Where uploaded files belong.", valueName: "name"))
    var environment: String?

    @Option(help: ArgumentHelp("How long uploaded files are kept after their last use.", valueName: "duration"))
    var keep: SpanArgument?

    @Flag(help: "Print the run's id and leave once it is made.")
    var detach = false

    @Argument(help: "What to bring: files and directories of this host, or ids of stored files; at last, where to.")
    var paths: [String]

    func perform(_ session: CommandSession) async throws(DeployError) -> Int32 {
        guard paths.count > 1, let destination = paths.last else {
            throw DeployError(
                .invalidArgument, "no destination is given", hint: "tiangong file push FILE /DIR/ -a NAME")
        }
        guard mode == nil || !keepModes else {
            throw DeployError(.invalidArgument, "--mode and --keep-modes exclude each other")
        }
        let plan = try PushPlan(paths.dropLast(), to: destination)
        // What is wrong with the options is said before anything is uploaded.
        _ = try transfer.request(command(plan), params: params(plan, [.init(fileID: .random(), path: "x")]))
        guard !plan.items.isEmpty else {
            throw DeployError(.invalidArgument, "there is no file in \(paths.dropLast().joined(separator: ", "))")
        }
        if !plan.empty.isEmpty {
            try await session.note("empty directories are not brought: \(plan.empty.prefix(5).joined(separator: ", "))")
        }
        let interrupts = Interrupts()
        return try await session.withClient(reconnect: .afterFirstLink) { [self] client throws(DeployError) in
            guard let files = try await files(plan, client, session, interrupts) else { return 130 }
            let requests = try plan.lists(files, keepsModes: keepModes).map { list throws(DeployError) in
                try transfer.request(command(plan), params: params(plan, list))
            }
            return try await run(requests, RunWatch(client: client, session: session, interrupts: interrupts))
        }
    }

    func command(_ plan: PushPlan) -> String { "put \(plan.destination)" }

    func params(_ plan: PushPlan, _ list: [FileParameters.Item]) -> [String: JSONValue] {
        var params: [String: JSONValue] = ["files": .array(list.map(\.value))]
        for (name, value) in [("mode", mode), ("owner", owner), ("group", group)] {
            if let value { params[name] = .string(value) }
        }
        if backup { params["backup"] = .bool(true) }
        if parents || plan.needsParents { params["parents"] = .bool(true) }
        return params
    }

    /// The stored file of each item, in order; nil when ^C ended the uploads.
    private func files(
        _ plan: PushPlan, _ client: OperatorClient, _ session: CommandSession, _ interrupts: Interrupts
    ) async throws(DeployError) -> [FileInfo]? {
        var stored: [String: FileInfo] = [:]
        for case .stored(let id) in plan.items.map(\.source) {
            stored[id] = try await client.request(.fileShow(ObjectQuery(id: id))).data(as: FileInfo.self)
        }
        let options = UploadBatch.Options(environment: environment, keep: keep?.seconds, skipsKnown: true)
        let uploads = UploadRun(client: client, session: session, interrupts: interrupts, options: options)
        guard let outcome = await uploads.run(plan.uploads) else { return nil }
        if let failure = outcome.failure { throw failure }
        var uploaded = outcome.files.compactMap { $0 }.makeIterator()
        return plan.items.compactMap { item in
            switch item.source {
            case .local: uploaded.next()
            case .stored(let id): stored[id]
            }
        }
    }

    /// One run after the other; the first that does not succeed is the last.
    private func run(_ requests: [RunCreate], _ watch: RunWatch) async throws(DeployError) -> Int32 {
        let session = watch.session
        guard !detach else {
            guard requests.count == 1 else {
                throw DeployError(
                    .invalidArgument, "--detach is for one run, these files take \(requests.count)",
                    hint: "leave it out, or bring at most \(FileTransfer.filesPerTask) files at a time")
            }
            try await session.show(try await watch.create(requests[0]), detached: true)
            return 0
        }
        var ends: [RunWatch.Ended] = []
        for request in requests {
            if requests.count > 1 { try await session.note("run \(ends.count + 1) of \(requests.count)") }
            let ended = try await watch.run(request)
            ends.append(ended)
            if ended.exitStatus != 0 { break }
        }
        try await session.show(ends)
        guard let last = ends.last, last.exitStatus != 0 else { return 0 }
        if ends.count < requests.count {
            try await session.note("\(requests.count - ends.count) further runs were not made")
        }
        try await session.note("go on with: tiangong file resume \(last.run.id)")
        return last.exitStatus
    }
}
