// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// What became of the objects of one task, one after the other: one that fails does not keep the others from being tried.
struct ObjectTally: Sendable {
    private struct Entry: Sendable {
        var title: String
        var namespace: String?
        var action: String
    }

    private var entries: [Entry] = []
    private var failures: [(title: String, failure: KubernetesFailure)] = []
    private var changes = 0

    /// Objects named in a task's result at most.
    private static let shown = 200

    /// Something was done.
    mutating func add(_ reference: KubernetesSession.Reference, _ action: String, isChange: Bool = true) {
        if isChange { changes += 1 }
        entries.append(
            Entry(
                title: reference.title, namespace: reference.resource.isNamespaced ? reference.namespace : nil,
                action: action))
    }

    /// Something failed. Throws it on when nothing after it can succeed either.
    mutating func fail(_ title: String, _ failure: KubernetesFailure) throws(KubernetesFailure) {
        let isFinal =
            failure.error.code == .canceled || failure.error.code == .unauthenticated || failure.isTransport
        guard !isFinal else { throw failure }
        failures.append((title, failure))
    }

    /// The task's end.
    var outcome: ExecutionOutcome {
        var result: [String: JSONValue] = [
            "objects": .array(
                entries.prefix(Self.shown).map { entry in
                    var object: [String: JSONValue] = ["object": .string(entry.title), "action": .string(entry.action)]
                    if let namespace = entry.namespace { object["namespace"] = .string(namespace) }
                    return .object(object)
                }), "count": .integer(Int64(entries.count)), "changed": .bool(changes > 0),
        ]
        guard let first = failures.first else { return ExecutionOutcome(result: result) }
        result["failed"] = .integer(Int64(failures.count))
        result.merge(first.failure.result) { own, _ in own }
        let total = entries.count + failures.count
        let start = total == 1 ? "" : "\(failures.count) of \(total) objects failed, the first: "
        let hint = first.failure.error.hint.map { "; \($0)" } ?? ""
        return ExecutionOutcome(
            error: TaskFailure(
                first.failure.error.code, "\(start)\(first.title): \(first.failure.error.message)\(hint)"),
            result: result)
    }
}
