// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Synchronization

/// Uploads of the console, each over a link of its own: what is asked and shown beside it never waits behind content.
final class LiveUploads: Sendable {
    private let running = Mutex<[Int: OperatorClient]>([:])

    /// Uploads a file; see ``FileBackend``.
    func run(
        _ row: UploadRow, to target: ServerTarget, report: @escaping @Sendable (UploadProgress) -> Void
    ) async throws(DeployError) -> FileInfo {
        let source = try UploadSource.read([row.path], name: nil)
        let client = OperatorClient(target, reconnect: .afterFirstLink)
        running.withLock { $0[row.number] = client }
        defer { running.withLock { _ = $0.removeValue(forKey: row.number) } }
        let options = UploadBatch.Options(environment: row.environment)
        let outcome = try await CommandSession.withClient(client) { client throws(DeployError) in
            let batch = UploadBatch(link: client, options: options) { progress in
                report(
                    UploadProgress(
                        upload: progress.upload, done: progress.done, total: progress.total, stage: progress.stage))
            }
            return await client.ignoringEvents { await batch.run(source) }
        }
        if let failure = outcome.failure { throw failure }
        guard let file = outcome.files[0] else { throw DeployError(.internal, "an upload ended without a file") }
        return file
    }

    /// Ends an upload; the server keeps what it has of it.
    func stop(_ number: Int) { running.withLock { $0[number] }?.close() }
}
