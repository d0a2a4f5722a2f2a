// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// The command line that does the same.
enum EquivalentCommand {
    /// - Parameter schema: What the type takes; must be given for a plugin.
    static func run(_ selector: TargetSelector, _ spec: TaskSpec, _ schema: ExecutorSchema? = nil) -> String {
        guard spec.type != TaskType.shell.rawValue else { return shell(selector, spec) }
        let isPlugin = TaskType(rawValue: spec.type) == nil
        let words =
            ["tiangong", "run"] + (isPlugin ? ["plugin"] : []) + [ShellWords.quoted(spec.type)] + targets(selector)
            + flags(spec, schema) + options(spec)
        return (words + ["--", ShellWords.quoted(spec.command)]).joined(separator: " ")
    }

    private static func shell(_ selector: TargetSelector, _ spec: TaskSpec) -> String {
        var words = ["tiangong", "run"] + targets(selector)
        if let directory = spec.params["cwd"]?.stringValue { words += ["--cwd", ShellWords.quoted(directory)] }
        if let user = spec.params["user"]?.stringValue { words += ["--user", ShellWords.quoted(user)] }
        for (key, value) in (spec.params["env"]?.objectValue ?? [:]).sorted(by: { $0.key < $1.key }) {
            if let secret = value.secretName {
                words += ["--secret-env", ShellWords.quoted("\(key)=\(secret)")]
            } else {
                words += ["--env", ShellWords.quoted("\(key)=\(value.stringValue ?? "")")]
            }
        }
        if spec.usesHostNamespaces { words.append("--host-namespaces") }
        var input = ""
        if let secret = spec.params["stdin"]?.secretName {
            words += ["--secret-stdin", ShellWords.quoted(secret)]
        } else if let text = spec.params["stdin"]?.stringValue {
            input = "printf %s \(ShellWords.quoted(text)) | "
            words.append("--stdin")
        } else if let text = spec.params["stdin_base64"]?.stringValue {
            input = "printf %s \(ShellWords.quoted(text)) | base64 -d | "
            words.append("--stdin")
        }
        return input + (words + options(spec) + ["--", ShellWords.quoted(spec.command)]).joined(separator: " ")
    }

    static func policyTest(_ test: PolicyTest, _ schema: ExecutorSchema? = nil) -> String {
        let type = test.spec.type == TaskType.shell.rawValue ? [] : ["--type", ShellWords.quoted(test.spec.type)]
        let words = ["tiangong", "policy", "test"] + targets(test.selector) + type + flags(test.spec, schema)
        return (words + ["--", ShellWords.quoted(test.spec.command)]).joined(separator: " ")
    }

    static func audit(_ query: AuditQuery) -> String {
        let options: [(name: String, value: String?)] = [
            ("actor", query.actor), ("action", query.action), ("agent", query.agent), ("task", query.task),
            ("verdict", query.verdict), ("since", query.since?.description), ("until", query.until?.description),
        ]
        return
            (["tiangong audit list"]
            + options.compactMap { option in option.value.map { "--\(option.name) \(ShellWords.quoted($0))" } })
            .joined(separator: " ")
    }

    private static func flags(_ spec: TaskSpec, _ schema: ExecutorSchema?) -> [String] {
        guard let schema = schema ?? TaskType(rawValue: spec.type)?.schema else { return [] }
        return ParameterFlags(schema: schema).words(spec.params).map(ShellWords.quoted)
    }

    private static func options(_ spec: TaskSpec) -> [String] {
        var words: [String] = []
        if let timeout = spec.timeout { words += ["--timeout", seconds(timeout)] }
        if let grace = spec.grace { words += ["--grace", seconds(grace)] }
        if let expires = spec.expiresIn { words += ["--expires", seconds(expires)] }
        if let limit = spec.logLimit { words += ["--log-limit", "\(limit)"] }
        return words
    }

    private static func targets(_ selector: TargetSelector) -> [String] {
        (selector.all ? ["--all"] : []) + selector.agents.flatMap { ["-a", ShellWords.quoted($0)] }
            + selector.labels.sorted { $0.key < $1.key }.flatMap { ["-l", ShellWords.quoted("\($0.key)=\($0.value)")] }
    }

    static func seconds(_ value: Double) -> String {
        value == value.rounded() && abs(value) < 1e9 ? "\(Int(value))s" : "\(value)s"
    }
}

extension TaskSpec {
    /// Whether it is to run in the namespaces of the agent's host.
    var usesHostNamespaces: Bool { params["host_namespaces"] == .bool(true) }

    /// What it does, the way it is headed on screens: `$ uptime`, `mysql: SELECT 1`.
    var heading: String { TaskHeading.text(type, command) }
}

/// How a task's command is headed: as at a prompt for the shell, behind its type for everything else.
enum TaskHeading {
    static func text(_ type: String, _ command: String) -> String { prefix(type) + command }

    static func prefix(_ type: String) -> String { type == TaskType.shell.rawValue ? "$ " : "\(type): " }
}
