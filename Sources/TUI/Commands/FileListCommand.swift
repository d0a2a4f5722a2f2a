// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Core

/// `tiangong file list`.
struct FileListCommand: DeployCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List stored files, newest first, or uploads that are not complete.")

    @OptionGroup var globals: GlobalOptions

    @Option(help: ArgumentHelp("Only files of this name.", valueName: "name"))
    var name: String?

    @Flag(help: "Uploads that are not complete, instead of files.")
    var uploads = false

    @Option(help: ArgumentHelp("At most this many.", valueName: "n"))
    var limit: Int = 50

    func perform(_ session: CommandSession) async throws(DeployError) -> Int32 {
        guard (1...1_000_000).contains(limit) else {
            throw DeployError(.invalidArgument, "--limit is not between 1 and 1000000")
        }
        guard !uploads || name == nil else {
            throw DeployError(.invalidArgument, "--uploads and --name exclude each other")
        }
        if uploads {
            try await showUploads(session)
            return 0
        }
        let (files, clock) = try await session.withClient { [name, limit] client throws(DeployError) in
            let clock = try await client.request(.serverInfo).data(as: ServerInfo.self).clock
            let files = try await Pages.all(limit: limit) { cursor throws(DeployError) in
                try await client.request(.fileList(FileListQuery(name: name, cursor: cursor, limit: min(limit, 200))))
                    .data(as: Page<FileInfo>.self)
            }
            return (files, clock)
        }
        try await session.show(files, now: clock)
        return 0
    }

    private func showUploads(_ session: CommandSession) async throws(DeployError) {
        let (all, clock) = try await session.withClient { client throws(DeployError) in
            let clock = try await client.request(.serverInfo).data(as: ServerInfo.self).clock
            return (try await client.request(.uploadList).data(as: Page<UploadInfo>.self).items, clock)
        }
        let columns: [TablePrinter.Column] = [
            .init(title: "ID"), .init(title: "NAME", elastic: true), .init(title: "HAS", right: true),
            .init(title: "OF", right: true), .init(title: "ENV"), .init(title: "BY", elastic: true),
            .init(title: "AGE", right: true),
        ]
        try await session.show(Array(all.prefix(limit)), columns: columns, key: \.id.rawValue) { upload in
            [
                TableCell(upload.id.rawValue), TableCell(upload.name), TableCell(ProgressText.bytes(upload.offset)),
                TableCell(upload.size.map(ProgressText.bytes) ?? "-"), TableCell(upload.environment ?? "-"),
                TableCell(upload.actor), TableCell(TimeText.age(upload.createdAt, now: clock)),
            ]
        }
    }
}

/// `tiangong file show`.
struct FileShowCommand: DeployCommand {
    static let configuration = CommandConfiguration(commandName: "show", abstract: "Show one stored file.")

    @OptionGroup var globals: GlobalOptions

    @Argument(help: "Its id, or the first characters of it.")
    var id: String

    func perform(_ session: CommandSession) async throws(DeployError) -> Int32 {
        let file = try await session.withClient { [id] client throws(DeployError) in
            try await client.request(.fileShow(ObjectQuery(id: id))).data(as: FileInfo.self)
        }
        let facts: [(name: String, value: TableCell?)] = [
            ("File", TableCell(file.id.rawValue)), ("Name", TableCell(file.name)),
            ("Size", TableCell("\(file.size) bytes")), ("SHA-256", TableCell(file.sha256.hex)),
            ("Environment", file.environment.map { TableCell($0) }), ("Stored by", TableCell(file.actor)),
            ("Stored", TableCell(file.createdAt.description)),
            ("Kept until", TableCell(file.expiresAt?.description ?? "it is removed")),
            ("Task", file.taskID.map { TableCell($0.rawValue) }),
        ]
        try await session.show(file, key: file.id.rawValue, facts: facts)
        return 0
    }
}

/// `tiangong file remove`.
struct FileRemoveCommand: DeployCommand {
    static let configuration = CommandConfiguration(
        commandName: "remove", abstract: "Remove stored files, or give uploads up.")

    @OptionGroup var globals: GlobalOptions

    @Flag(help: "The ids are those of uploads that are not complete.")
    var upload = false

    @Argument(help: "Ids, or for files the first characters of them.")
    var id: [String]

    func perform(_ session: CommandSession) async throws(DeployError) -> Int32 {
        let failure = try await session.withClient { [id, upload] client throws(DeployError) in
            var failure: DeployError?
            for one in id {
                do throws(DeployError) {
                    let query = ObjectQuery(id: one)
                    let request = upload ? OperatorRequest.uploadRemove(query) : .fileRemove(query)
                    _ = try await client.request(request).data(as: NoParameters.self)
                } catch {
                    // The others are removed all the same; the first failure is the command's.
                    guard error.code != .unreachable else { throw error }
                    if failure != nil { CommandSession.report(error, format: session.settings.format) }
                    failure = failure ?? error
                    continue
                }
                try await session.note("\(upload ? "upload" : "file") \(one) is removed")
            }
            return failure
        }
        if let failure { throw failure }
        return 0
    }
}
