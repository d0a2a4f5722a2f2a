// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Logging
import ServiceLifecycle

/// Keeps the store of files within its time and space.
struct FileSweeper: Service {
    let files: FileService

    /// How often it looks.
    private static let interval: Duration = .seconds(20)
    /// After how many looks it also compares every content with its row, which takes longest.
    private static let orphanRound = 180

    func run() async throws {
        await cancelWhenGracefulShutdown {
            var round = 0
            repeat {
                do {
                    try await files.sweep(withOrphans: round % Self.orphanRound == 0)
                } catch {
                    files.logger.error("files not swept", metadata: ["error": "\(error)"])
                }
                round += 1
            } while (try? await Task.sleep(for: Self.interval, tolerance: .seconds(2))) != nil
        }
        await files.threads.shutDown()
    }
}

extension FileService {
    /// Removes what nobody needs: expired files, contents without a file, uploads nobody goes on with, and what a crash left.
    func sweep(withOrphans: Bool = true) async throws {
        let now = Timestamp.now()
        let (storage, threads) = (storage, threads)
        let (files, places) = try await store.write { transaction in
            let found = try FileTable.sweep(before: now, limit: 1000, transaction)
            for file in found.files {
                var record = AuditRecord(action: Action.fileRemove.rawValue, actor: "-")
                record.env = file.environment
                record.result = "ok"
                try AuditTrail.append(
                    record.with(file.auditDetail).with(["reason": .string("its time has run out")]), transaction)
            }
            return found
        }
        let live = closeIdle()
        let oldest = now.adding(milliseconds: Int64(-settings.uploadRetention * 1000))
        try await threads.run { () throws(DeployError) in
            for place in places { storage.remove(place) }
            for part in storage.parts() where part.writtenAt < oldest && !live.contains(part.record.id) {
                storage.removePart(part.record.id)
            }
        }
        if withOrphans { try await sweepOrphans(now) }
        if !files.isEmpty || !places.isEmpty {
            logger.info("files removed", metadata: ["files": "\(files.count)", "contents": "\(places.count)"])
        }
    }

    /// Contents that a crash left between their place and their row; younger ones may be about to get it.
    private func sweepOrphans(_ now: Timestamp) async throws {
        let storage = storage
        let settled = now.adding(milliseconds: -3_600_000)
        let old = try await threads.run { () throws(DeployError) in
            storage.locations().filter { $0.since < settled }.map(\.location)
        }
        guard !old.isEmpty else { return }
        let known = try await store.read { try FileTable.locations($0) }
        let orphans = old.filter { !known.contains($0) }
        try await threads.run { () throws(DeployError) in for place in orphans { storage.remove(place) } }
    }
}
