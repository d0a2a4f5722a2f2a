// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

extension AuditRecord {
    /// The record of something the agent does by itself.
    static func agent(_ action: String, detail: [String: JSONValue] = [:]) -> AuditRecord {
        var record = AuditRecord(action: action, actor: "-")
        record.result = "ok"
        record.detail = detail.isEmpty ? nil : detail
        return record
    }

    /// The record of what is about to be done with a task, or was refused.
    static func task(_ action: String, _ create: TaskCreate, verdict: GuardVerdict?) -> AuditRecord {
        var record = AuditRecord(action: action, actor: create.actor)
        record.run = create.runID.rawValue
        record.task = create.taskID.rawValue
        record.attempt = create.attempt
        record.command = String(decoding: create.command.utf8.prefix(TaskSpec.maximumCommandBytes), as: UTF8.self)
        record.verdict =
            verdict.map { $0.verdict == .deny && $0.mode == .audit ? "audit" : $0.verdict.rawValue }
        record.rule = verdict?.rule
        var detail = create.spec.auditDetail
        if let verdict {
            detail["mode"] = .string(verdict.mode.rawValue)
            detail["policy"] = .string(verdict.policy)
        }
        record.detail = detail.isEmpty ? nil : detail
        return record
    }

    /// The record of a task that is not run.
    static func refused(_ create: TaskCreate, _ error: TaskFailure, verdict: GuardVerdict?) -> AuditRecord {
        var record = task("task.refused", create, verdict: verdict)
        record.verdict = GuardVerdict.Decision.deny.rawValue
        record.result = error.code
        record.detail = (record.detail ?? [:]).merging(["reason": .string(String(error.message.prefix(1024)))]) { $1 }
        return record
    }

    /// The record of a wish to stop a task that runs.
    static func canceled(_ reference: TaskReference) -> AuditRecord {
        var record = agent("task.cancel")
        record.task = reference.taskID.rawValue
        record.attempt = reference.attempt
        return record
    }

    /// The record of a task's end.
    static func ended(_ completion: TaskCompletion) -> AuditRecord {
        var record = AuditRecord(action: "task.end", actor: "-")
        record.task = completion.taskID.rawValue
        record.attempt = completion.attempt ?? 1
        record.result = completion.status
        record.detail = end(exitCode: completion.exitCode, signal: completion.signal, error: completion.error)
        return record
    }
}
