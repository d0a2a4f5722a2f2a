// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Synchronization

/// The uploads of one command: progress on a terminal, words elsewhere, and a ^C that leaves and says how to go on.
struct UploadRun: Sendable {
    /// The client; its stream is taken here for as long as uploads go on.
    let client: OperatorClient
    let session: CommandSession
    let interrupts: Interrupts
    let options: UploadBatch.Options

    private final class Watch: Sendable {
        let progress: Mutex<BatchProgress>
        let meter = Mutex(RateMeter())
        init(_ count: Int) { progress = Mutex(BatchProgress(count: count)) }
    }

    private enum End: Sendable {
        case ended(UploadBatch.Outcome)
        case interrupted
    }

    /// Uploads them; nil when ^C ended it.
    func run(_ sources: [UploadSource]) async -> UploadBatch.Outcome? {
        let watch = Watch(sources.count)
        let batch = UploadBatch(link: client, options: options) { progress in
            watch.progress.withLock { $0 = progress }
        }
        let end = await LiveLines.during(session) {
            [Self.line(watch)]
        } _: {
            await work(batch, sources, watch)
        }
        let progress = watch.progress.withLock { $0 }
        switch end {
        case .ended(let outcome):
            if outcome.failure != nil { await sayHowToGoOn(progress) }
            return outcome
        case .interrupted:
            await sayHowToGoOn(progress)
            return nil
        }
    }

    private func work(_ batch: UploadBatch, _ sources: [UploadSource], _ watch: Watch) async -> End {
        await withTaskGroup(of: End?.self, returning: End.self) { group in
            group.addTask { .ended(await client.ignoringEvents { await batch.run(sources) }) }
            group.addTask {
                // Whoever waits for room on the link is let go too.
                guard await interrupts.wait() else { return nil }
                client.close()
                return .interrupted
            }
            if LiveLines.rows(session) == nil {
                group.addTask {
                    let name = sources.count == 1 ? sources[0].name : "\(sources.count) files"
                    await session.tellWaiting(name) { watch.progress.withLock { $0.stage } }
                    return nil
                }
            }
            defer { group.cancelAll() }
            for await end in group { if let end { return end } }
            return .interrupted
        }
    }

    private static func line(_ watch: Watch) -> String {
        let progress = watch.progress.withLock { $0 }
        let now = App.monotonic()
        let meter = watch.meter.withLock { meter in
            meter.note(progress.done, at: now)
            return meter
        }
        let name = progress.count > 1 ? "\(progress.stored)/\(progress.count) files  \(progress.name)" : progress.name
        return ProgressText.line(
            name, progress.done, of: progress.total, progress.stage,
            pace: ProgressText.pace(meter, of: progress.total, at: now))
    }

    private func sayHowToGoOn(_ progress: BatchProgress) async {
        guard let upload = progress.upload else { return }
        let how =
            progress.path.map { "tiangong file resume \(upload) \(ShellWords.quoted($0))" }
            ?? "it cannot be read again; tiangong file remove --upload \(upload)"
        try? await session.note("the server keeps what it has of \(progress.name): \(how)")
    }
}

extension UploadSource {
    /// Looks at what the command line names; `-` is standard input.
    ///
    /// Throws what the system says of a path, `invalid_argument` for a name that the server would refuse.
    static func read(_ paths: [String], name: String?) throws(DeployError) -> [UploadSource] {
        guard name == nil || paths.count == 1 else {
            throw DeployError(.invalidArgument, "--name is for one file, these are \(paths.count)")
        }
        guard paths.filter({ $0 == "-" }).count <= 1 else {
            throw DeployError(.invalidArgument, "standard input is given twice")
        }
        var sources: [UploadSource] = []
        for path in paths {
            guard path != "-" else {
                sources.append(UploadSource(path: nil, name: name ?? "stdin", size: nil))
                continue
            }
            let file = try LocalFile.look(path)
            sources.append(
                UploadSource(
                    path: path, name: name ?? LocalFile.name(path), size: file.isRegular ? file.size : nil))
        }
        for source in sources {
            do throws(DeployError) {
                try FileNames.checkUpload(source.name)
            } catch {
                throw DeployError(error.code, "\(source.path ?? source.name): \(error.message)", hint: "--name")
            }
        }
        return sources
    }
}
