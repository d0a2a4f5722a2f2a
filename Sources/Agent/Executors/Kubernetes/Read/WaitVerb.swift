// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// `wait`: until objects have a condition, hold a value, exist, or are gone.
struct WaitVerb: KubernetesVerb {
    static let options: Set = ["for", "timeout", "selector", "field-selector", "all"]

    /// What is waited for.
    enum Goal: Sendable, Equatable {
        case condition(String, value: String)
        case field(FieldPath, value: String?)
        case creation
        case deletion

        init(_ text: String) throws(DeployError) {
            func wrong() -> DeployError {
                DeployError(
                    .invalidArgument, "--for '\(text.prefix(64))' is not known",
                    hint: "condition=NAME[=VALUE], jsonpath={.PATH}[=VALUE], create or delete")
            }
            let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            switch parts[0].lowercased() {
            case "delete" where parts.count == 1: self = .deletion
            case "create" where parts.count == 1: self = .creation
            case "condition" where parts.count == 2:
                let condition = parts[1].split(separator: "=", maxSplits: 1).map(String.init)
                guard let name = condition.first else { throw wrong() }
                self = .condition(name, value: condition.count == 2 ? condition[1] : "True")
            case "jsonpath" where parts.count == 2:
                // The value comes after the path's closing brace.
                if let range = parts[1].firstRange(of: "}=") {
                    let value = parts[1][range.upperBound...]
                    self = .field(try FieldPath(String(parts[1][...range.lowerBound])), value: String(value))
                } else {
                    self = .field(try FieldPath(parts[1]), value: nil)
                }
            default: throw wrong()
            }
        }

        /// Whether an object is what is waited for; nil is one that does not exist.
        func isReached(by object: KubernetesObject?) -> Bool {
            switch self {
            case .deletion: return object == nil
            case .creation: return object != nil
            case .condition(let name, let value):
                guard let object, let condition = object.condition(name) else { return false }
                if let seen = condition["observedGeneration"]?.integer, seen < object.generation { return false }
                return condition["status"]?.text?.lowercased() == value.lowercased()
            case .field(let path, let value):
                guard let object, let found = path.value(in: object.node) else { return false }
                return value.map { $0 == found.text ?? found.compact } ?? true
            }
        }
    }

    private let goal: Goal
    private let targets: [KubernetesStatement.Target]
    private let labels: String?
    private let fields: String?
    private let timeout: Double
    private let goalText: String

    init(_ arguments: VerbArguments) throws(DeployError) {
        guard let text = arguments.text("for") else {
            throw DeployError(.invalidArgument, "wait needs --for", hint: "--for=condition=Ready or --for=delete")
        }
        goalText = text
        goal = try Goal(text)
        targets = try arguments.targets(arguments.words)
        labels = arguments.text("selector")
        fields = arguments.text("field-selector")
        let isSelected = [labels, fields].contains { $0?.isEmpty == false } || arguments.flag("all")
        guard targets.allSatisfy({ ($0.name == nil) == isSelected }) else {
            throw DeployError(
                .invalidArgument, "wait needs names, or one of -l, --field-selector and --all, and not both")
        }
        timeout = try arguments.seconds("timeout") ?? 30
    }

    func run(_ session: KubernetesSession) async throws(KubernetesFailure) -> ExecutionOutcome {
        let references = try await session.references(targets, labels: labels, fields: fields)
        guard !references.isEmpty || goal == .deletion else {
            throw KubernetesFailure(.notFound, "nothing is selected")
        }
        let deadline = ContinuousClock.now + .seconds(timeout)
        var tally = ObjectTally()
        for reference in references {
            let rest = max(0.05, (deadline - .now).seconds)
            do throws(KubernetesFailure) {
                try await wait(for: reference, rest, session)
                let text = goal == .deletion ? "deleted" : goal == .creation ? "exists" : "met \(goalText)"
                tally.add(reference, text, isChange: false)
                await session.line("\(reference.title) \(text)")
            } catch {
                await session.complain("\(reference.title): \(error.error.sentence)")
                try tally.fail(reference.title, error)
            }
        }
        return tally.outcome
    }

    private func wait(
        for reference: KubernetesSession.Reference, _ seconds: Double, _ session: KubernetesSession
    ) async throws(KubernetesFailure) {
        let goal = goal
        let met: Bool? = try await session.within(seconds) { () throws(KubernetesFailure) in
            try await session.client.observe(
                reference.resource, namespace: reference.namespace, name: reference.name
            ) { object throws(KubernetesFailure) in
                if goal.isReached(by: object) { return .done(true) }
                if object == nil, goal != .creation {
                    throw KubernetesFailure(.notFound, "it does not exist in the namespace \(reference.namespace)")
                }
                return .wait
            }
        }
        guard met != nil else { throw KubernetesFailure(.timedOut, "\(goalText) is not met after --timeout") }
    }
}
