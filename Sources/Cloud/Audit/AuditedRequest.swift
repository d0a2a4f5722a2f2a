// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

extension OperatorService {
    /// Does what a request asks, if the role suffices. A refusal is recorded too; what succeeds records itself, in the
    /// transaction of the act.
    ///
    /// Throws why it was refused, or `unavailable` when that cannot be recorded.
    func audited<Value: Sendable>(
        _ request: OperatorRequest, as principal: Principal, _ act: () async throws -> Value
    ) async throws -> Value {
        do {
            try principal.require(request.action)
            return try await act()
        } catch {
            let error = DeployError(wrapping: error)
            let isAttempt = request.action.isAudited || error.code == .forbidden
            if isAttempt, !AuditTrail.isUnwritable(error) {
                try await AuditTrail.append(request.refusal(error, of: principal), to: store)
            }
            throw error
        }
    }
}

extension OperatorRequest {
    /// The record of this request as refused.
    fileprivate func refusal(_ error: DeployError, of principal: Principal) -> AuditRecord {
        var record = AuditRecord(action, as: principal)
        switch self {
        case .runCreate(let run):
            record.command = Self.bounded(run.spec.command, TaskSpec.maximumCommandBytes)
            record.detail = run.spec.auditDetail
            add("target", run.selector.description, to: &record)
        case .taskCancel(let cancel):
            record.task = cancel.taskID.map { Self.bounded($0) }
            record.run = cancel.runID.map { Self.bounded($0) }
        case .logOpen(let open): record.task = Self.bounded(open.taskID)
        case .fileBegin(let begin): add("name", begin.name ?? begin.uploadID?.rawValue, to: &record)
        case .filePut(let begin, _): add("name", begin.name, to: &record)
        case .fileChunk(let head, _): add("upload", head.uploadID.rawValue, to: &record)
        case .fileCommit(let commit): add("upload", commit.uploadID.rawValue, to: &record)
        case .fileRemove(let query), .uploadRemove(let query): add("file", query.id, to: &record)
        case .agentUpdate(let update): record.agent = Self.bounded(update.id)
        case .agentRemove(let query): record.agent = Self.bounded(query.id)
        case .policyPut(let put): add("name", put.name, to: &record)
        case .operatorPut(let put): add("name", put.name, to: &record)
        case .tokenCreate(let token): add("name", token.name, to: &record)
        case .enrolmentCreate(let enrolment): add("environment", enrolment.environment, to: &record)
        case .policyRemove(let query), .operatorRemove(let query), .tokenRevoke(let query), .enrolmentRevoke(let query),
            .auditShow(let query), .logClose(let query):
            add("name", query.id, to: &record)
        default: break
        }
        // Who reaches one environment only has tried it there: its approvers shall see it.
        if let environments = principal.scope.environments, environments.count == 1 { record.env = environments.first }
        record.rule = error.rule
        return record.refused(error)
    }

    private func add(_ name: String, _ value: String?, to record: inout AuditRecord) {
        if let value { record = record.with([name: .string(Self.bounded(value))]) }
    }

    private static func bounded(_ text: String, _ bytes: Int = 256) -> String {
        text.utf8.count <= bytes ? text : String(decoding: text.utf8.prefix(bytes), as: UTF8.self)
    }
}
