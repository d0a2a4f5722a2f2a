// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Synchronization

/// The downloads of one command: progress on a terminal, words elsewhere, and a ^C that leaves what came for the next time.
struct DownloadRun: Sendable {
    let session: CommandSession
    let interrupts: Interrupts

    private enum End: Sendable {
        case ended(Result<Void, DeployError>)
        case interrupted
    }

    private final class Watch: Sendable {
        let progress: Mutex<(done: Int64, total: Int64, stage: UploadProgress.Stage)>
        let meter = Mutex(RateMeter())
        init(_ total: Int64) { progress = Mutex((0, total, .sending)) }
    }

    /// Runs a download while its progress is shown; false when ^C ended it.
    func run(
        _ name: String, of total: Int64,
        _ download:
            @escaping @Sendable (@escaping @Sendable (FileDownloader.Progress) -> Void) async throws(DeployError)
            -> Void
    ) async throws(DeployError) -> Bool {
        let watch = Watch(total)
        let end = await LiveLines.during(session) {
            [Self.line(name, watch)]
        } _: {
            await work(name, watch, download)
        }
        switch end {
        case .ended(let result):
            try result.get()
            return true
        case .interrupted: return false
        }
    }

    private func work(
        _ name: String, _ watch: Watch,
        _ download:
            @escaping @Sendable (@escaping @Sendable (FileDownloader.Progress) -> Void) async throws(DeployError)
            -> Void
    ) async -> End {
        await withTaskGroup(of: End?.self, returning: End.self) { group in
            group.addTask {
                do throws(DeployError) {
                    try await download { progress in
                        watch.progress.withLock { $0 = (progress.done, progress.total, progress.stage) }
                    }
                    return .ended(.success(()))
                } catch {
                    return .ended(.failure(error))
                }
            }
            group.addTask { await interrupts.wait() ? .interrupted : nil }
            if LiveLines.rows(session) == nil {
                group.addTask {
                    await session.tellWaiting(name) { watch.progress.withLock { $0.stage } }
                    return nil
                }
            }
            defer { group.cancelAll() }
            for await end in group { if let end { return end } }
            return .interrupted
        }
    }

    private static func line(_ name: String, _ watch: Watch) -> String {
        let progress = watch.progress.withLock { $0 }
        let now = App.monotonic()
        let meter = watch.meter.withLock { meter in
            meter.note(progress.done, at: now)
            return meter
        }
        return ProgressText.line(
            name, progress.done, of: progress.total, progress.stage,
            pace: ProgressText.pace(meter, of: progress.total, at: now))
    }
}

extension CommandSession {
    /// Content over HTTPS from the server that flags, environment and contexts name.
    func transferClient() throws(DeployError) -> TransferClient {
        let target = try TargetResolver(environment: environment).resolve(flags)
        return try TransferClient(target.endpoint, token: target.token)
    }

    /// Says when something begins to wait, and when it goes on, for where no line shows it; until cancelled.
    func tellWaiting(_ name: String, _ stage: @Sendable () -> UploadProgress.Stage) async {
        var isWaiting = false
        while (try? await Task.sleep(for: .milliseconds(100))) != nil {
            if case .waiting(let why) = stage() {
                if !isWaiting { try? await note("\(name): waiting: \(why)") }
                isWaiting = true
            } else if isWaiting {
                isWaiting = false
                try? await note("\(name): going on")
            }
        }
    }
}
