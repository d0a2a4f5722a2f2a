// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

@testable import TUI

/// Policies, verdicts and audit records of the made-up world.
extension Scene {
    static let scope = Scope(environments: ["prod", "lab"], labels: ["team": "web"])

    static func server(role: Role, scope: Scope) -> ServerInfo {
        ServerInfo(version: "0.1.0", protocol: 1, server: "s1", actor: "wang", role: role, scope: scope, clock: start)
    }

    /// A run that enters the namespaces of its hosts.
    static let hostRun: RunRecord = {
        var run = Scene.run
        run.spec.params = ["host_namespaces": .bool(true), "cwd": .string("/srv")]
        return run
    }()

    static let policies: [PolicyRecord] = [
        PolicyRecord(
            name: "prod-base", scope: Scope(environments: ["prod"], labels: ["tier": "front"]),
            policy: GuardPolicy(
                mode: .whitelist, allow: ["systemctl (restart|status) nginx", "uptime"], deny: ["rm .*"],
                statements: ["sql.truncate"]),
            warnings: ["deny[0]: 'rm .*' is not needed in mode whitelist"], actor: "li",
            updatedAt: start.adding(milliseconds: -86_400_000)),
        PolicyRecord(
            name: "lab", scope: Scope(environments: ["lab"]), policy: GuardPolicy(mode: .audit), warnings: [],
            actor: "wang", updatedAt: start.adding(milliseconds: -60_000)),
    ]

    static let verdicts: [AgentVerdict] = [
        AgentVerdict(
            agent: "node-03.bj.example", environment: "prod", decidedBy: "policy prod-base",
            verdict: GuardVerdict(
                .deny, rule: "D1", message: "rm removes the root of the file system; name what is to be removed",
                position: 8, commands: ["uptime", "rm -rf /"], mode: .whitelist, policy: "77aa"), knowsAgentFile: true),
        AgentVerdict(
            agent: "node-06.bj.example", environment: "prod", decidedBy: "policy prod-base",
            verdict: GuardVerdict(.allow, rule: "whitelist", message: "allow[1] matches", mode: .whitelist),
            knowsAgentFile: true),
        AgentVerdict(
            agent: "node-07.bj.example", environment: "prod", decidedBy: "standard",
            verdict: GuardVerdict(.allow, rule: "none", message: "nothing objects", mode: .noInjection),
            knowsAgentFile: false),
        AgentVerdict(
            agent: "node-09.bj.example", environment: "lab", decidedBy: "policy lab",
            verdict: GuardVerdict(.deny, rule: "D1", message: "would be refused", position: 8, mode: .audit),
            knowsAgentFile: true),
        AgentVerdict(
            agent: "node-12.bj.example", environment: "lab", decidedBy: "agent file",
            verdict: GuardVerdict(.allow, rule: "none", message: "nothing objects", mode: .audit),
            knowsAgentFile: true, agentFileError: "/etc/tiangong/policy.yaml: no such file"),
    ]

    static let records: [AuditRecord] = (1...30).map { number in
        var record = AuditRecord(
            action: number % 5 == 0 ? "sign_in" : "run.create", actor: number % 2 == 0 ? "wang" : "li")
        record.seq = Int64(1001 - number)
        record.ts = start.adding(milliseconds: Int64(-number) * 61_000)
        record.source = "10.9.0.\(number)"
        record.prev = String(repeating: "0", count: 64)
        record.hash = String(repeating: "ab", count: 32)
        guard number % 5 != 0 else {
            record.result = "ok"
            return record
        }
        record.agent = agents[number % 12].name
        record.env = "prod"
        record.run = run.id.rawValue
        record.task = tasks[0].id.rawValue
        record.attempt = 1
        record.command = number % 3 == 0 ? "rm -rf /" : "systemctl restart nginx"
        record.verdict = number % 3 == 0 ? "deny" : "allow"
        record.rule = number % 3 == 0 ? "D1" : "whitelist"
        record.result = number % 3 == 0 ? "policy_denied" : "succeeded"
        record.detail = ["request": .string("r-\(number)"), "targets": .array([.string("a"), .string("b")])]
        return record
    }
}

/// Agents of which two let tasks enter their hosts.
enum SceneHosts {
    static let agents: [AgentInfo] = Scene.agents.enumerated().map { index, agent in
        var agent = agent
        agent.policyMode = index % 2 == 0 ? .whitelist : .noInjection
        agent.hostNamespaces = index == 0 || index == 4
        return agent
    }
}
