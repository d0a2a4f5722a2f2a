// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// `rollout`: restart, pause, resume, status, undo and history of workloads.
struct RolloutVerb: KubernetesVerb {
    static let options: Set = ["timeout", "revision", "to-revision", "dry-run", "field-manager"]

    private enum Act: String, CaseIterable {
        case restart, pause, resume, status, undo, history
    }

    private let act: Act
    private let targets: [KubernetesStatement.Target]
    private let timeout: Double?
    private let revision: Int64
    private let query: [(String, String)]
    private let dryRun: Bool

    init(_ arguments: VerbArguments) throws(DeployError) {
        let words = Act.allCases.map(\.rawValue).joined(separator: ", ")
        guard let act = arguments.words.first.flatMap(Act.init) else {
            throw DeployError(.invalidArgument, "rollout needs one of \(words)")
        }
        self.act = act
        targets = try arguments.targets(arguments.words.dropFirst())
        guard targets.allSatisfy({ $0.name != nil }) else {
            throw DeployError(.invalidArgument, "rollout \(act.rawValue) needs the names of objects")
        }
        let fitting: [String: Set<Act>] = [
            "timeout": [.status], "revision": [.history], "to-revision": [.undo],
            "dry-run": [.restart, .pause, .resume, .undo], "field-manager": [.restart, .pause, .resume, .undo],
        ]
        for option in arguments.statement.command.options where fitting[option.name]?.contains(act) == false {
            throw DeployError(.invalidArgument, "rollout \(act.rawValue) does not take --\(option.name)")
        }
        timeout = try arguments.seconds("timeout").flatMap { $0 > 0 ? $0 : nil }
        let number = act == .undo ? "to-revision" : "revision"
        revision = Int64(try arguments.integer(number, in: 0...Int(Int32.max)) ?? 0)
        dryRun = try arguments.isDryRun()
        query =
            [("fieldManager", arguments.text("field-manager") ?? ApplyVerb.manager)]
            + (dryRun ? [("dryRun", "All")] : [])
    }

    func run(_ session: KubernetesSession) async throws(KubernetesFailure) -> ExecutionOutcome {
        var tally = ObjectTally()
        for target in targets {
            let reference = try await session.reference(target)
            do throws(KubernetesFailure) {
                let (text, isChange) = try await perform(reference, session)
                tally.add(reference, text, isChange: isChange && !dryRun)
                await session.line("\(reference.title) \(text)\(dryRun ? " (server dry run)" : "")")
            } catch {
                await session.complain("\(reference.title): \(error.error.sentence)")
                try tally.fail(reference.title, error)
            }
        }
        return tally.outcome
    }

    private func perform(
        _ reference: KubernetesSession.Reference, _ session: KubernetesSession
    ) async throws(KubernetesFailure) -> (String, isChange: Bool) {
        guard RolloutStatus.kinds.contains(reference.resource.kind), reference.resource.group == "apps" else {
            throw KubernetesFailure(
                .invalidArgument, "a \(reference.resource.kind) does not roll out",
                hint: "deployments, daemonsets and statefulsets do")
        }
        switch act {
        case .restart: return (try await restart(reference, session), true)
        case .pause, .resume: return try await pause(reference, act == .pause, session)
        case .status: return (try await status(reference, session), false)
        case .undo: return try await undo(reference, session)
        case .history: return (try await history(reference, session), false)
        }
    }

    private func object(
        _ reference: KubernetesSession.Reference, _ session: KubernetesSession
    ) async throws(KubernetesFailure) -> KubernetesObject {
        guard
            let object = try await session.client.object(
                reference.resource, namespace: reference.namespace, name: reference.name)
        else { throw KubernetesFailure(.notFound, "it does not exist in the namespace \(reference.namespace)") }
        return object
    }

    // MARK: Acts

    private func restart(
        _ reference: KubernetesSession.Reference, _ session: KubernetesSession
    ) async throws(KubernetesFailure) -> String {
        if try await object(reference, session).node.at("spec", "paused") == .bool(true) {
            throw KubernetesFailure(.conflict, "it is paused", hint: "rollout resume first")
        }
        let mark = JSONNode.members(["kubectl.kubernetes.io/restartedAt": .string(Timestamp.now().description)])
        let template = JSONNode.members(["metadata": .members(["annotations": mark])])
        try await patch(reference, .members(["spec": .members(["template": template])]), .merge, session)
        return "restarted"
    }

    private func pause(
        _ reference: KubernetesSession.Reference, _ pauses: Bool, _ session: KubernetesSession
    ) async throws(KubernetesFailure) -> (String, isChange: Bool) {
        guard reference.resource.kind == "Deployment" else {
            throw KubernetesFailure(.invalidArgument, "only deployments can be paused")
        }
        let isPaused = try await object(reference, session).node.at("spec", "paused") == .bool(true)
        let word = pauses ? "paused" : "resumed"
        guard isPaused != pauses else { return ("was \(word) already", false) }
        try await patch(reference, .members(["spec": .members(["paused": .bool(pauses)])]), .merge, session)
        return (word, true)
    }

    private func status(
        _ reference: KubernetesSession.Reference, _ session: KubernetesSession
    ) async throws(KubernetesFailure) -> String {
        let last = LastText()
        let done: String? = try await session.within(timeout) { () throws(KubernetesFailure) in
            try await session.client.observe(
                reference.resource, namespace: reference.namespace, name: reference.name
            ) { object throws(KubernetesFailure) in
                guard var object else {
                    throw KubernetesFailure(.notFound, "it does not exist in the namespace \(reference.namespace)")
                }
                // Items of a list do not say their kind.
                object.node = object.node.setting("kind", to: .string(reference.resource.kind))
                switch RolloutStatus(object) {
                case .complete(let text): return .done(text)
                case .failed(let text): throw KubernetesFailure(.conflict, text)
                case .progressing(let text):
                    if last.change(to: text) { await session.line("\(reference.title): waiting: \(text)") }
                    return .wait
                }
            }
        }
        guard let done else {
            throw KubernetesFailure(.timedOut, "it is not rolled out after --timeout: \(last.text)")
        }
        return done
    }

    private func undo(
        _ reference: KubernetesSession.Reference, _ session: KubernetesSession
    ) async throws(KubernetesFailure) -> (String, isChange: Bool) {
        let object = try await object(reference, session)
        if object.node.at("spec", "paused") == .bool(true) {
            throw KubernetesFailure(.conflict, "it is paused", hint: "rollout resume first")
        }
        let target = try await revisions(of: object, reference, session).target(revision)
        guard object.node.at("spec", "template")?.sorted != target.template.sorted else {
            return ("is at revision \(target.number) already", false)
        }
        try await patch(reference, target.patch, target.patchType, session)
        return ("rolled back to revision \(target.number)", true)
    }

    private func history(
        _ reference: KubernetesSession.Reference, _ session: KubernetesSession
    ) async throws(KubernetesFailure) -> String {
        let history = try await revisions(of: try await object(reference, session), reference, session)
        if revision > 0 {
            let chosen = try history.target(revision)
            await session.write(ObjectText.yaml(chosen.template))
            return "revision \(chosen.number)"
        }
        var rows = RowWriter(session.output.unwaiting, format: .table, limit: .max)
        rows.begin([.init(name: "REVISION", kind: .number), .init(name: "CHANGE-CAUSE", kind: .text)])
        for entry in history.revisions where rows.beginRow() {
            rows.field("\(entry.number)")
            rows.field(entry.cause ?? "<none>")
            rows.endRow()
        }
        rows.end()
        await session.output.room()
        return "has \(history.revisions.count) revisions"
    }

    private func revisions(
        of object: KubernetesObject, _ reference: KubernetesSession.Reference, _ session: KubernetesSession
    ) async throws(KubernetesFailure) -> RevisionHistory {
        let kind = reference.resource.kind == "Deployment" ? "ReplicaSet" : "ControllerRevision"
        let resource = try await session.discovery.resource(
            apiVersion: reference.resource.apiVersion, kind: kind, session.client)
        let labels = LabelSelector(object.node.at("spec", "selector") ?? .null).text
        let query = ObjectQuery(resource: resource, namespace: reference.namespace, labels: labels)
        return RevisionHistory(of: object, from: try await session.client.objects(query))
    }

    private func patch(
        _ reference: KubernetesSession.Reference, _ body: JSONNode, _ type: PatchType, _ session: KubernetesSession
    ) async throws(KubernetesFailure) {
        _ = try await session.client.send(
            KubernetesRequest(.patch, try reference.path(), query: query, body: body, as: type))
    }
}
