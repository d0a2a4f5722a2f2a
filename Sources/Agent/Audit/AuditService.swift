// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import ServiceLifecycle

/// Records each change of the agent's own policy, and signs a checkpoint every minute in which something was recorded.
struct AuditService: Service, CustomStringConvertible {
    /// The audit.
    let log: AuditLog
    /// The agent's own policy.
    let policy: AgentPolicy

    /// For logs.
    var description: String { "audit" }

    private static let interval: Duration = .seconds(60)

    /// Runs until the agent stops.
    func run() async {
        let changes = policy.reports()
        log.note(Self.record("policy.loaded", policy.report))
        await cancelWhenGracefulShutdown {
            await withTaskGroup(of: Void.self) { group in
                group.addTask {
                    for await report in changes { log.note(Self.record("policy.changed", report)) }
                }
                group.addTask {
                    while (try? await Task.sleep(for: Self.interval, tolerance: .seconds(5))) != nil {
                        _ = log.checkpoint()
                    }
                }
            }
        }
    }

    private static func record(_ action: String, _ report: AgentPolicyReport) -> AuditRecord {
        guard let policy = report.policy else {
            var record = AuditRecord.agent(action, detail: ["error": .string(report.error ?? "")])
            record.result = ErrorCode.policyDenied.rawValue
            return record
        }
        return .agent(
            action,
            detail: [
                "mode": .string(policy.mode.rawValue), "policy": .string(policy.hash),
                "host_namespaces": .bool(policy.hostNamespaces),
            ])
    }
}
