// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

/// A policy, ready to judge what a task would do. Judging reads the task only and never runs anything.
public struct CommandGuard: Sendable {
    /// What was given.
    public let policy: GuardPolicy
    /// ``GuardPolicy/hash`` of the policy.
    public let hash: String

    private let allow: [GuardExpression]
    private let deny: [GuardExpression]

    /// Compiles every expression; throws `invalid_argument` naming the one that is wrong, or the rule there is none of.
    public init(_ policy: GuardPolicy) throws(DeployError) {
        self.policy = policy
        hash = policy.hash
        guard policy.allow.count + policy.deny.count <= GuardPolicy.maximumExpressions else {
            throw DeployError(
                .invalidArgument, "the policy holds more than \(GuardPolicy.maximumExpressions) expressions")
        }
        for id in policy.statements where StatementRule.named(id)?.liftable != true {
            throw DeployError(
                .invalidArgument, "statements: '\(id.prefix(64))' is no rule that can be lifted",
                hint: "tiangong-policy(5) lists them")
        }
        allow = try Self.compile(policy.allow, "allow")
        deny = try Self.compile(policy.deny, "deny")
    }

    private static func compile(_ patterns: [String], _ list: String) throws(DeployError) -> [GuardExpression] {
        var expressions: [GuardExpression] = []
        for (index, pattern) in patterns.enumerated() {
            do throws(DeployError) {
                expressions.append(try GuardExpression(pattern))
            } catch {
                throw DeployError(error.code, "\(list)[\(index)]: \(error.message)", hint: error.hint)
            }
        }
        return expressions
    }

    /// What the policy says about a task.
    public func judge(_ spec: TaskSpec) -> GuardVerdict {
        var verdict: GuardVerdict
        if spec.type == TaskType.shell.rawValue {
            verdict = shell(spec)
        } else if let language = StatementLanguage(rawValue: spec.type) {
            verdict = statements(spec, language)
        } else {
            verdict = WorkGuard.judge(spec, allow: allow, deny: deny, mode: policy.mode)
        }
        verdict.policy = hash
        return verdict
    }

    private func statements(_ spec: TaskSpec, _ language: StatementLanguage) -> GuardVerdict {
        func judge(_ text: String) -> GuardVerdict {
            StatementGuard.judge(
                text, type: language, database: spec.params["database"]?.stringValue,
                lifted: Set(policy.statements), allow: allow, deny: deny, mode: policy.mode)
        }
        var verdict = judge(spec.command)
        // A setting beside the statements does what SET would do before them.
        for (name, value) in (spec.params["settings"]?.objectValue ?? [:]).sorted(by: { $0.key < $1.key })
        where language == .clickhouse && verdict.verdict == .allow {
            let text = (value.stringValue ?? "").replacing("\\", with: "\\\\").replacing("'", with: "\\'")
            let setting = judge("SET \(name) = '\(text)'")
            verdict.commands += setting.commands
            guard setting.verdict == .deny else { continue }
            verdict.verdict = .deny
            verdict.rule = setting.rule
            verdict.message = "params.settings.\(name.prefix(64)): \(setting.message)"
        }
        return verdict
    }

    private func shell(_ spec: TaskSpec) -> GuardVerdict {
        if spec.params["host_namespaces"] == .bool(true), !(policy.hostNamespaces && policy.mode == .whitelist) {
            return GuardVerdict(
                .deny, rule: "host-namespaces",
                message: "tasks may enter the host's namespaces only where the agent's own policy says so, "
                    + "and only in whitelist mode", mode: policy.mode)
        }
        for name in (spec.params["env"]?.objectValue ?? [:]).keys.sorted()
        where EnvironmentRule.isRefused(name, mode: policy.mode) {
            return GuardVerdict(
                .deny, rule: "V3", message: "the variable \(name) changes which code runs", mode: policy.mode)
        }
        let directory = spec.params["cwd"]?.stringValue
        let input = standardInput(spec)
        guard let vector = spec.params["argv"], vector != .null else {
            return ShellGuard.judge(
                spec.command, mode: policy.mode, allow: allow, deny: deny, workingDirectory: directory,
                standardInput: input)
        }
        let arguments = (vector.arrayValue ?? []).compactMap(\.stringValue)
        guard !arguments.isEmpty, arguments.count == vector.arrayValue?.count else {
            return GuardVerdict(
                .deny, rule: "V1", message: "the argument vector is not a list of texts", mode: policy.mode)
        }
        return ShellGuard.judge(
            arguments: arguments, mode: policy.mode, allow: allow, deny: deny, workingDirectory: directory,
            standardInput: input)
    }

    /// What the program reads, which is a program itself when a shell reads it.
    private func standardInput(_ spec: TaskSpec) -> ShellInput {
        if let text = spec.params["stdin"]?.stringValue { return .text(text) }
        if let text = spec.params["stdin_base64"]?.stringValue {
            return Base64.decode(text).map { .text(String(decoding: $0, as: UTF8.self)) } ?? .unknown
        }
        let isGiven = ["stdin", "stdin_base64"].contains { spec.params[$0] != nil && spec.params[$0] != .null }
        return isGiven ? .unknown : .none
    }
}
