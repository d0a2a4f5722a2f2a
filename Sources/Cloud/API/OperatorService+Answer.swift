// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// The answer to a request, for any door: a WebSocket frame or the body of a response.
struct OperatorReply: Sendable {
    /// The WebSocket frame that answers request `id`.
    let frame: @Sendable (_ id: String) -> WireFrame
    /// The same as JSON text.
    let json: @Sendable () -> String

    /// The answer itself.
    let value: any Sendable

    init(_ value: some Encodable & Sendable) {
        self.value = value
        frame = { OperatorMessage.reply(id: $0, value) }
        json = { StoredJSON.text(value) }
    }
}

extension OperatorService {
    /// Answers one request of an operator: the only way in, for the WebSocket and for REST alike.
    ///
    /// Throws `forbidden` when the role does not suffice, and what the request itself throws. What belongs to
    /// environments beyond the principal's scope is `not_found`.
    func answer(_ request: OperatorRequest, as principal: Principal) async throws -> OperatorReply {
        try await audited(request, as: principal) { try await perform(request, as: principal) }
    }

    private func perform(_ request: OperatorRequest, as principal: Principal) async throws -> OperatorReply {
        switch request {
        case .serverInfo: return OperatorReply(info(principal))
        case .agentList(let query): return OperatorReply(try await agents(query, as: principal))
        case .agentShow(let query): return OperatorReply(try await agent(query.id, as: principal))
        case .agentUpdate(let update): return OperatorReply(try await updateAgent(update, as: principal))
        case .agentRemove(let query): return try await done { try await removeAgent(query.id, as: principal) }
        case .executorList(let query): return OperatorReply(try await executors(query, as: principal))
        case .runCreate(let request): return OperatorReply(Self.fitting(try await create(request, as: principal)))
        case .runList(let query): return OperatorReply(try await runs(query, as: principal))
        case .runShow(let query): return OperatorReply(try await run(query.id, as: principal))
        case .taskList(let query): return OperatorReply(try await taskList(query, as: principal))
        case .taskShow(let query): return OperatorReply(try await task(query.id, as: principal))
        case .taskCancel(let request): return OperatorReply(try await cancel(request, as: principal))
        case .logOpen(let request): return OperatorReply(try await logState(request.taskID, as: principal))
        case .logClose, .eventsOpen: return OperatorReply(NoParameters())
        case .fileList(let query): return OperatorReply(try await fileList(query, as: principal))
        case .fileShow(let query): return OperatorReply(try await file(query.id, as: principal))
        case .fileRemove(let query): return try await done { try await removeFile(query.id, as: principal) }
        case .fileBegin(let begin):
            return OperatorReply(try await files.begin(begin, by: FileService.Owner(principal)).info)
        case .fileCommit(let commit):
            return OperatorReply(try await files.commit(commit, by: FileService.Owner(principal)))
        case .filePut(let begin, let bytes):
            return OperatorReply(try await files.put(begin, bytes, by: FileService.Owner(principal)))
        case .fileChunk: throw DeployError(.unsupported, "file_chunk is for links")
        case .uploadList: return OperatorReply(try await uploads(as: principal))
        case .uploadRemove(let query): return try await done { try await removeUpload(query.id, as: principal) }
        case .policyList: return OperatorReply(try await policies(as: principal))
        case .policyShow(let query): return OperatorReply(try await policy(query.id, as: principal))
        case .policyPut(let put): return OperatorReply(try await putPolicy(put, as: principal))
        case .policyRemove(let query): return try await done { try await removePolicy(query.id, as: principal) }
        case .policyTest(let test): return OperatorReply(try await testPolicy(test, as: principal))
        case .auditList(let query): return OperatorReply(try await auditList(query, as: principal))
        case .auditShow(let query): return OperatorReply(try await auditRecord(query.id, as: principal))
        case .auditExport(let query): return OperatorReply(try await auditExport(query, as: principal))
        case .auditVerify(let request): return OperatorReply(try await auditVerify(request, as: principal))
        case .operatorList: return OperatorReply(try await operators(as: principal))
        case .operatorPut(let put): return OperatorReply(try await putOperator(put, as: principal))
        case .operatorRemove(let query): return try await done { try await removeOperator(query.id, as: principal) }
        case .tokenList(let query): return OperatorReply(try await tokens(query, as: principal))
        case .tokenCreate(let request): return OperatorReply(try await createToken(request, as: principal))
        case .tokenRevoke(let query): return try await done { try await revokeToken(query.id, as: principal) }
        case .enrolmentList: return OperatorReply(try await enrolments(as: principal))
        case .enrolmentCreate(let request): return OperatorReply(try await createEnrolment(request, as: principal))
        case .enrolmentRevoke(let query): return try await done { try await revokeEnrolment(query.id, as: principal) }
        }
    }

    private func done(_ act: () async throws -> Void) async rethrows -> OperatorReply {
        try await act()
        return OperatorReply(NoParameters())
    }
}
