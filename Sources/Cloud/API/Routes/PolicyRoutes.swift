// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import HTTPTypes

/// Policies and the audit.
extension RouteTable {
    static let policies: [Route] = [
        .json(.get, "/policies", .policyList, "List policies.", answer: .page(.reference("Policy"))) { _ in .policyList
        },
        .json(
            .post, "/policies/test", .policyTest, "Ask what the policies would say. Nothing is run.",
            body: .required("PolicyTest"), answer: .reference("PolicyTestReply")
        ) { input throws(DeployError) in .policyTest(try input.value()) },
        .json(.get, "/policies/{policy_name}", .policyShow, "Show a policy.", answer: .reference("Policy")) {
            input throws(DeployError) in .policyShow(try input.object("policy_name"))
        },
        .json(
            .put, "/policies/{policy_name}", .policyPut, "Set a policy, or replace the one of that name.",
            body: .required("PolicyPut"), answer: .reference("Policy")
        ) { input throws(DeployError) in .policyPut(try input.value(renaming: ["policy_name": "name"])) },
        .removal("/policies/{policy_name}", .policyRemove, "Remove a policy.") { input throws(DeployError) in
            .policyRemove(try input.object("policy_name"))
        },
    ]

    static let audit: [Route] = [
        .json(
            .get, "/audit", .auditList, "List the audit, newest first.", parameters: filters + [.cursor, .limit],
            answer: .page(.reference("AuditRecord"))
        ) { input throws(DeployError) in .auditList(try input.value()) },
        Route(
            method: .get, path: "/audit/export", summary: "Export the audit, oldest first, one record a line.",
            action: .auditExport, parameters: filters, answer: [("application/x-ndjson", .reference("AuditRecord"))],
            work: .stream(.audit)),
        .json(
            .post, "/audit/verify", .auditVerify, "Verify the audit of the Cloud and of agents.",
            body: .optional("AuditVerify"), answer: .reference("AuditVerification")
        ) { input throws(DeployError) in .auditVerify(try input.value()) },
        .json(.get, "/audit/{seq}", .auditShow, "Show a record of the audit.", answer: .reference("AuditRecord")) {
            input throws(DeployError) in .auditShow(try input.object("seq"))
        },
    ]

    private static let filters: [Route.Parameter] = [
        .init("actor", .text(1...256), "Only what this operator or agent did."),
        .init("action", .text(1...64), "Only this action, or those that begin with it before a `.`."),
        .init("agent", .text(1...128), "Only this agent, by name."), .init("task", .id, "Only this task."),
        .init("verdict", .word(["allow", "deny", "audit"]), "Only what was decided so."),
        .init("since", .time, "Not before."), .init("until", .time, "Not after."),
    ]
}
