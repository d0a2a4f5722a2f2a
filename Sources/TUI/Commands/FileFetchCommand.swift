// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Core

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// `tiangong file fetch`.
struct FileFetchCommand: DeployCommand {
    static let configuration = CommandConfiguration(
        commandName: "fetch", abstract: "Bring a file of agents to this host, each to DIR/AGENT/NAME.",
        discussion: """
            The agents send it to the server, which keeps it for a while, and from there it is downloaded and verified. \
            ^C cancels the run and waits for it; a second ^C leaves.
            """)

    @OptionGroup var globals: GlobalOptions
    @OptionGroup var transfer: TransferOptions

    @Option(help: ArgumentHelp("The directory for them; made when it is not there.", valueName: "dir"))
    var to: String = "."

    @Flag(help: "Replace files that are there.")
    var force = false

    @Argument(help: "An absolute path on the agents.")
    var path: String

    /// What came of one agent's file.
    struct Fetched: Encodable, Sendable {
        var agent: String
        var task: TaskID
        var state: TaskState
        var file: FileInfo?
        var path: String?
        var error: TaskFailure?

        enum CodingKeys: String, CodingKey {
            case agent, state, file, path, error
            case task = "task_id"
        }
    }

    func perform(_ session: CommandSession) async throws(DeployError) -> Int32 {
        let request = try transfer.request("fetch \(path)", params: [:])
        let name = LocalFile.name(path)
        try FileNames.checkComponent(name)
        let interrupts = Interrupts()
        let client = try session.transferClient()
        let (ended, files) = try await session.withClient(reconnect: .afterFirstLink) { link throws(DeployError) in
            let ended = try await RunWatch(client: link, session: session, interrupts: interrupts).run(request)
            return (ended, try await Self.files(of: ended.tasks, link))
        }
        var results: [Fetched] = []
        for task in ended.tasks {
            var fetched = Fetched(agent: task.agentName, task: task.id, state: task.state, error: task.error)
            if let file = files[task.id] {
                fetched.file = file
                do throws(DeployError) {
                    let target = try place(task.agentName, name)
                    let isWhole = try await download(file, to: target, client, session, interrupts)
                    guard isWhole else { return 130 }
                    fetched.path = target
                } catch {
                    fetched.error = TaskFailure(error.code, error.message)
                }
            }
            results.append(fetched)
        }
        try await show(results, session)
        if ended.exitStatus != 0 { return ended.exitStatus }
        return results.allSatisfy { $0.path != nil } ? 0 : 3
    }

    /// The stored file that each task that succeeded has brought.
    private static func files(
        of tasks: [TaskRecord], _ client: OperatorClient
    ) async throws(DeployError) -> [TaskID: FileInfo] {
        var files: [TaskID: FileInfo] = [:]
        for task in tasks where task.state == .succeeded {
            guard let id = task.result?["file_id"]?.stringValue else { continue }
            files[task.id] = try await client.request(.fileShow(ObjectQuery(id: id))).data(as: FileInfo.self)
        }
        return files
    }

    private func download(
        _ file: FileInfo, to path: String, _ client: TransferClient, _ session: CommandSession, _ interrupts: Interrupts
    ) async throws(DeployError) -> Bool {
        let target = try DownloadFile(path, replaces: force)
        return try await DownloadRun(session: session, interrupts: interrupts).run(path, of: file.size) {
            report throws(DeployError) in
            try await FileDownloader(client, report: report).download(file, to: target)
        }
    }

    /// `DIR/AGENT/NAME`, with the directories made.
    private func place(_ agent: String, _ name: String) throws(DeployError) -> String {
        // An agent's name is one component, whatever the server says.
        try FileNames.checkComponent(agent)
        for directory in [to, "\(to)/\(agent)"] where mkdir(directory, 0o777) != 0 && errno != EEXIST {
            throw DeployError(
                .invalidArgument, "\(directory) cannot be made: \(String(cString: strerror(errno)))")
        }
        return "\(to)/\(agent)/\(name)"
    }

    private func show(_ results: [Fetched], _ session: CommandSession) async throws(DeployError) {
        let columns: [TablePrinter.Column] = [
            .init(title: "AGENT", elastic: true), .init(title: "STATE"), .init(title: "SIZE", right: true),
            .init(title: "SHA-256"), .init(title: "FILE"), .init(title: "TO", elastic: true),
        ]
        let shown = session.settings.quiet ? results.filter { $0.path != nil } : results
        try await session.show(shown, columns: columns, key: { $0.path ?? "" }) { result in
            [
                TableCell(result.agent), TableCell(result.state.rawValue, CellStyle(result.state)),
                TableCell(result.file.map { ProgressText.bytes($0.size) } ?? "-"),
                TableCell(result.file?.sha256.short ?? "-"), TableCell(result.file?.id.rawValue ?? "-"),
                TableCell(result.path ?? result.error?.message ?? "-", result.path == nil ? .bad : .plain),
            ]
        }
    }
}
