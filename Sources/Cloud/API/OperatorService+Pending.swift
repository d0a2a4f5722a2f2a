// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

extension OperatorService {
    private var pending: DeployError { DeployError(.unsupported, "pending") }
    // identity (room "identity")
    func updateAgent(_ update: AgentUpdate, as principal: Principal) async throws -> AgentInfo { throw pending }
    func removeAgent(_ name: String, as principal: Principal) async throws { throw pending }
    func operators(as principal: Principal) async throws -> Page<OperatorInfo> { throw pending }
    func putOperator(_ put: OperatorPut, as principal: Principal) async throws -> OperatorInfo { throw pending }
    func removeOperator(_ name: String, as principal: Principal) async throws { throw pending }
    func tokens(_ query: TokenListQuery, as principal: Principal) async throws -> Page<TokenInfo> { throw pending }
    func createToken(_ request: TokenRequest, as principal: Principal) async throws -> SecretIssued { throw pending }
    func revokeToken(_ id: String, as principal: Principal) async throws { throw pending }
    func enrolments(as principal: Principal) async throws -> Page<EnrolmentInfo> { throw pending }
    func createEnrolment(_ request: EnrolmentCreate, as principal: Principal) async throws -> SecretIssued {
        throw pending
    }
    func revokeEnrolment(_ id: String, as principal: Principal) async throws { throw pending }
    // audit (room "audit")
    func auditList(_ query: AuditQuery, as principal: Principal) async throws -> Page<AuditRecord> { throw pending }
    func auditRecord(_ id: String, as principal: Principal) async throws -> AuditRecord { throw pending }
    func auditExport(_ query: AuditQuery, as principal: Principal) async throws -> Page<AuditRecord> { throw pending }
    func auditVerify(_ request: AuditVerify, as principal: Principal) async throws -> AuditVerification {
        throw pending
    }
    // policies (lead)
    func policies(as principal: Principal) async throws -> Page<PolicyRecord> { throw pending }
    func policy(_ name: String, as principal: Principal) async throws -> PolicyRecord { throw pending }
    func putPolicy(_ put: PolicyPut, as principal: Principal) async throws -> PolicyRecord { throw pending }
    func removePolicy(_ name: String, as principal: Principal) async throws { throw pending }
    func testPolicy(_ test: PolicyTest, as principal: Principal) async throws -> PolicyTestReply { throw pending }
}
