// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Core

/// `tiangong file`.
struct FileCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "file", abstract: "Store files on the server, bring them to agents and back.",
        subcommands: [
            FilePutCommand.self, FileGetCommand.self, FileListCommand.self, FileShowCommand.self,
            FilePushCommand.self, FileFetchCommand.self, FileResumeCommand.self, FileRemoveCommand.self,
        ])
}

extension CommandSession {
    /// Writes stored files as a list.
    func show(_ files: [FileInfo], now: Timestamp) async throws(DeployError) {
        let columns: [TablePrinter.Column] = [
            .init(title: "ID"), .init(title: "NAME", elastic: true), .init(title: "SIZE", right: true),
            .init(title: "SHA-256"), .init(title: "ENV"), .init(title: "BY", elastic: true),
            .init(title: "AGE", right: true), .init(title: "KEPT", right: true),
        ]
        try await show(files, columns: columns, key: \.id.rawValue) { file in
            [
                TableCell(file.id.rawValue), TableCell(file.name), TableCell(ProgressText.bytes(file.size)),
                TableCell(file.sha256.short), TableCell(file.environment ?? "-"), TableCell(file.actor),
                TableCell(TimeText.age(file.createdAt, now: now)),
                TableCell(file.expiresAt.map { TimeText.age(now, now: $0) } ?? "ever"),
            ]
        }
    }
}

/// `tiangong file put`.
struct FilePutCommand: DeployCommand {
    static let configuration = CommandConfiguration(
        commandName: "put", abstract: "Upload files and print their ids.",
        discussion: """
            A lost connection and a full server are waited out. ^C leaves; what the server has is kept for a while, and \
            'file resume' goes on with it.
            """)

    @OptionGroup var globals: GlobalOptions

    @Option(help: ArgumentHelp("What the stored file is called; the file's own name when left out.", valueName: "name"))
    var name: String?

    @Option(name: .shortAndLong, help: ArgumentHelp("Where the files belong.", valueName: "name"))
    var environment: String?

    @Option(help: ArgumentHelp("How long they are kept after their last use.", valueName: "duration"))
    var keep: SpanArgument?

    @Argument(help: "What to upload; - for standard input.")
    var file: [String]

    func perform(_ session: CommandSession) async throws(DeployError) -> Int32 {
        let sources = try UploadSource.read(file, name: name)
        let options = UploadBatch.Options(environment: environment, keep: keep?.seconds)
        let interrupts = Interrupts()
        let outcome = try await session.withClient(reconnect: .afterFirstLink) { client throws(DeployError) in
            await UploadRun(client: client, session: session, interrupts: interrupts, options: options).run(sources)
        }
        guard let outcome else { return 130 }
        let stored = outcome.files.compactMap { $0 }
        if !stored.isEmpty || outcome.failure == nil { try await session.show(stored, now: .now()) }
        if let failure = outcome.failure { throw failure }
        return 0
    }
}
