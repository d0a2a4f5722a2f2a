// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Logging
import Synchronization

/// Keeps the checkpoints of the Cloud's audit, so that nobody with the Cloud's disk can rewrite what was once signed.
final class CloudWitness: Sendable {
    private let log: AuditLog
    private let logger: Logger
    private let state = Mutex(State())

    private struct State {
        var newest: AuditCheckpoint?
        var isRead = false
        var hasWarned = false
    }

    /// How many checkpoints are told to the Cloud when it asks.
    static let told = 50

    /// A witness that keeps what it hears beside the agent's own audit.
    init(_ log: AuditLog, logger: Logger) {
        self.log = log
        self.logger = logger
    }

    /// The newest checkpoint kept.
    var newest: AuditCheckpoint? {
        state.withLock { state in
            read(&state)
            return state.newest
        }
    }

    /// The newest checkpoints kept, oldest first.
    var held: [AuditCheckpoint] {
        Array(AuditStore.read(checkpoints: log.store.cloudCheckpoints).suffix(Self.told))
    }

    /// Takes a checkpoint of the Cloud. One that is older than another, or signed with another key, is not kept: that
    /// the Cloud's audit went back is itself recorded.
    func take(_ checkpoint: AuditCheckpoint?) {
        guard let checkpoint else { return }
        let problem = state.withLock { state -> String? in
            read(&state)
            let newest = state.newest
            if checkpoint == newest { return nil }
            let problem = Self.problem(checkpoint, after: newest)
            guard problem == nil else {
                defer { state.hasWarned = true }
                return state.hasWarned ? nil : problem
            }
            do throws(DeployError) {
                try CheckpointFile(log.store.cloudCheckpoints).append(checkpoint)
                state.newest = checkpoint
                state.hasWarned = false
            } catch {
                logger.error("checkpoint of the Cloud not kept", metadata: ["error": "\(error.message)"])
            }
            return nil
        }
        guard let problem else { return }
        logger.error("the Cloud's audit is not the one known here", metadata: ["problem": "\(problem)"])
        var record = AuditRecord(action: "audit.alarm", actor: "-")
        record.detail = ["chain": .string("cloud"), "problem": .string(problem), "seq": .integer(checkpoint.seq)]
        log.note(record)
    }

    private static func problem(_ checkpoint: AuditCheckpoint, after newest: AuditCheckpoint?) -> String? {
        if !checkpoint.isSigned { return "a checkpoint has a wrong signature" }
        guard let newest else { return nil }
        if checkpoint.key != newest.key { return "a checkpoint is signed with another key" }
        if checkpoint.seq < newest.seq { return "it ends with record \(checkpoint.seq), it had \(newest.seq)" }
        if checkpoint.seq == newest.seq, checkpoint.head != newest.head {
            return "record \(checkpoint.seq) is not the one it was"
        }
        return nil
    }

    private func read(_ state: inout State) {
        guard !state.isRead else { return }
        state.newest = AuditStore.read(checkpoints: log.store.cloudCheckpoints).last
        state.isRead = true
    }
}
