// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Core

/// `tiangong file resume`.
struct FileResumeCommand: DeployCommand {
    static let configuration = CommandConfiguration(
        commandName: "resume", abstract: "Go on with an upload that was left, or with a run of file tasks.",
        discussion: """
            With FILE, ID is an upload, and what the server does not have of the file is sent. Without, it is a run: its \
            tasks that did not succeed are made anew, on their agents alone, in the same batches.
            """)

    @OptionGroup var globals: GlobalOptions

    @Argument(help: "An upload's id, or a run's id or the first characters of it.")
    var id: String

    @Argument(help: "The file that the upload was begun with.")
    var file: String?

    func perform(_ session: CommandSession) async throws(DeployError) -> Int32 {
        let interrupts = Interrupts()
        if let file { return try await goOn(file, session, interrupts) }
        return try await session.withClient(reconnect: .afterFirstLink) { [id] client throws(DeployError) in
            let detail: RunDetail
            do throws(DeployError) {
                detail = try await client.request(.runShow(ObjectQuery(id: id))).data(as: RunDetail.self)
            } catch {
                guard error.code == .notFound else { throw error }
                throw DeployError(
                    .notFound, "there is no run '\(id)'",
                    hint: "to go on with an upload, name its file: tiangong file resume ID FILE")
            }
            guard let request = try Self.rest(of: detail) else {
                try await session.note("nothing is left to do: every task of run \(detail.run.id) succeeded")
                return 0
            }
            let ended = try await RunWatch(client: client, session: session, interrupts: interrupts).run(request)
            try await session.show([ended])
            return ended.exitStatus
        }
    }

    /// The run that does again what did not succeed; nil when nothing is left.
    ///
    /// Throws `invalid_argument` for a run of other tasks, `conflict` while some have not ended.
    static func rest(of detail: RunDetail) throws(DeployError) -> RunCreate? {
        guard detail.run.spec.type == TaskType.file.rawValue else {
            throw DeployError(
                .invalidArgument, "run \(detail.run.id) is not one of file tasks",
                hint: "only those can be done a second time without being thought about")
        }
        let open = detail.tasks.count { !$0.state.isFinal }
        guard open == 0 else {
            throw DeployError(
                .conflict, "\(open) tasks of run \(detail.run.id) have not ended",
                hint: "wait for them, or: tiangong task cancel \(detail.run.id)")
        }
        let agents = detail.tasks.filter { $0.state != .succeeded }.map(\.agentID.rawValue)
        guard !agents.isEmpty else { return nil }
        return RunCreate(
            selector: TargetSelector(agents: agents), spec: detail.run.spec,
            idempotencyKey: RunID.random().rawValue, rollout: detail.run.rollout)
    }

    private func goOn(
        _ path: String, _ session: CommandSession, _ interrupts: Interrupts
    ) async throws(DeployError) -> Int32 {
        guard let upload = UploadID(id) else {
            throw DeployError(
                .invalidArgument, "'\(id)' is not the id of an upload", hint: "tiangong file list --uploads")
        }
        let source = try UploadSource.read([path], name: "resumed")
        let options = UploadBatch.Options(resumes: upload)
        let outcome = try await session.withClient(reconnect: .afterFirstLink) { client throws(DeployError) in
            await UploadRun(client: client, session: session, interrupts: interrupts, options: options).run(source)
        }
        guard let outcome else { return 130 }
        if let failure = outcome.failure { throw failure }
        try await session.show(outcome.files.compactMap { $0 }, now: .now())
        return 0
    }
}
