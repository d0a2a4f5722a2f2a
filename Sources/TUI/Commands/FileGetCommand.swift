// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Core

/// `tiangong file get`.
struct FileGetCommand: DeployCommand {
    static let configuration = CommandConfiguration(
        commandName: "get", abstract: "Download a stored file.",
        discussion: """
            It is FILE.part until it is whole and its SHA-256 is right. The same command goes on with what an earlier one \
            left there.
            """)

    @OptionGroup var globals: GlobalOptions

    @Option(
        help: ArgumentHelp(
            "Where to, or - for standard output; the file's own name in this directory when left out.",
            valueName: "file"))
    var to: String?

    @Flag(help: "Replace a file that is there; with -, write raw bytes also to a terminal.")
    var force = false

    @Argument(help: "Its id, or the first characters of it.")
    var id: String

    private struct Saved: Encodable {
        var file: FileInfo
        var path: String
    }

    func perform(_ session: CommandSession) async throws(DeployError) -> Int32 {
        guard to != "-" || force || !session.settings.outputIsTerminal else {
            throw DeployError(
                .invalidArgument, "raw bytes would let this file control the terminal",
                hint: "write to a file or a pipe, or add --force")
        }
        let file = try await session.withClient { [id] client throws(DeployError) in
            try await client.request(.fileShow(ObjectQuery(id: id))).data(as: FileInfo.self)
        }
        let client = try session.transferClient()
        let run = DownloadRun(session: session, interrupts: Interrupts())
        guard to != "-" else {
            let isWhole = try await run.run(file.name, of: file.size) { report throws(DeployError) in
                try await FileDownloader(client, report: report)
                    .fill(DownloadStream(session.output), with: file)
            }
            return isWhole ? 0 : 130
        }
        let path = if let to { to } else { try Self.ownName(file) }
        let target = try DownloadFile(path, replaces: force)
        let isWhole = try await run.run(file.name, of: file.size) { report throws(DeployError) in
            try await FileDownloader(client, report: report).download(file, to: target)
        }
        guard isWhole else {
            try await session.note("\(path).part keeps what came; the same command goes on with it")
            return 130
        }
        switch session.settings.format {
        case .json: try await session.print(try JSONPrinter.pretty(Saved(file: file, path: path)))
        case .jsonl: try await session.print(try JSONPrinter.line(Saved(file: file, path: path)))
        case .table:
            try await session.note("\(path): \(ProgressText.bytes(file.size)), SHA-256 \(file.sha256.short)...")
        }
        return 0
    }

    /// The name a file was stored with, if it is one that may stand in any directory.
    static func ownName(_ file: FileInfo) throws(DeployError) -> String {
        try FileNames.checkUpload(file.name)
        guard !file.name.hasPrefix(".") else {
            throw DeployError(
                .invalidArgument, "'\(file.name)' is a name that may mean something to a program", hint: "--to FILE")
        }
        return file.name
    }
}
