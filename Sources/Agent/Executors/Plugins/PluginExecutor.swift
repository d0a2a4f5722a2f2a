// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// Performs tasks by a program of somebody else's, which speaks JSON lines; see tiangong-plugin(7).
struct PluginExecutor: Executor {
    let schema: ExecutorSchema
    /// What is started.
    let settings: PluginSettings

    func secrets(for spec: TaskSpec) throws(DeployError) -> Set<SecretReference> { Set(settings.secrets.values) }

    func run(_ context: ExecutionContext) async throws(DeployError) -> ExecutionOutcome {
        var command = try settings.command(for: context.reference)
        for (name, reference) in settings.secrets { try command.set(name, to: .secret(reference), context.secrets) }
        let log = context.log
        let report = PluginReport(LogOutput(log), context.parameters, note: { log.note($0) })
        let process = PluginProcess(command: command, reference: context.reference, log: log)
        let end = try await process.perform(
            try message(for: context), grace: context.grace, onStart: { pid in await context.onStart(pid) },
            hear: { message in await report.hear(message) })
        await report.finish()
        let rows = await report.count
        switch (end.talk, await report.ending) {
        case (.complete, .success(var result)):
            if rows > 0, result["rows"] == nil { result["rows"] = .integer(rows) }
            return ExecutionOutcome(result: result)
        case (.complete, .failure(let error)): return ExecutionOutcome(error: error.failure)
        case (.wrong(let what), _):
            return ExecutionOutcome(
                error: TaskFailure(.protocolError, "the plugin \(schema.type) wrote \(what); it was ended"))
        case (.silent, _), (.complete, nil):
            return ExecutionOutcome(
                error: TaskFailure(.protocolError, "the plugin \(schema.type) \(words(end.process)) without a result"))
        }
    }

    private func words(_ end: ProcessRunner.End) -> String {
        if let signal = end.signal { return "was ended by signal \(signal)" }
        return "ended with exit status \(end.exitCode ?? 0)"
    }

    /// What the plugin is told: the task, and secrets only where its schema asks for them.
    private func message(for context: ExecutionContext) throws(DeployError) -> JSONValue {
        var params: [String: JSONValue] = [:]
        for (name, value) in context.spec.params where value != .null {
            params[name] = try resolved(value, schema[name]?.kind, context.secrets)
        }
        var task: [String: JSONValue] = [
            "id": .string(context.reference.taskID.rawValue), "attempt": .integer(Int64(context.reference.attempt)),
        ]
        task["run_id"] = context.runID.map { .string($0.rawValue) }
        task["actor"] = context.actor.map { .string($0) }
        return .object([
            "type": .string("run"), "protocol": .integer(PluginMessage.version), "task": .object(task),
            "command": .string(context.spec.command), "params": .object(params),
            "timeout": context.spec.timeout.map { .number($0) } ?? .null,
        ])
    }

    private func resolved(
        _ value: JSONValue, _ kind: ExecutorParameter.Kind?, _ secrets: TaskSecrets
    ) throws(DeployError) -> JSONValue {
        switch (kind, value) {
        case (.secret, .object(let members)):
            guard let reference = members["secret_ref"]?.stringValue.flatMap({ SecretReference($0) }) else {
                return value
            }
            return .string(try secrets.text(reference))
        case (.pairs, .object(let members)):
            var pairs: [String: JSONValue] = [:]
            for (key, member) in members { pairs[key] = try resolved(member, .secret, secrets) }
            return .object(pairs)
        default: return value
        }
    }
}
