// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// `scale`: sets the number of replicas.
struct ScaleVerb: KubernetesVerb {
    static let options: Set = ["replicas", "current-replicas", "dry-run"]

    private let targets: [KubernetesStatement.Target]
    private let replicas: Int
    private let current: Int?
    private let dryRun: Bool

    init(_ arguments: VerbArguments) throws(DeployError) {
        targets = try arguments.targets(arguments.words)
        guard targets.allSatisfy({ $0.name != nil }) else {
            throw DeployError(.invalidArgument, "scale needs the names of objects")
        }
        guard let replicas = try arguments.integer("replicas", in: 0...1_000_000) else {
            throw DeployError(.invalidArgument, "scale needs --replicas")
        }
        self.replicas = replicas
        current = try arguments.integer("current-replicas", in: -1...1_000_000).flatMap { $0 < 0 ? nil : $0 }
        dryRun = try arguments.isDryRun()
    }

    func run(_ session: KubernetesSession) async throws(KubernetesFailure) -> ExecutionOutcome {
        var tally = ObjectTally()
        var counts: [JSONValue] = []
        for target in targets {
            let reference = try await session.reference(target)
            do throws(KubernetesFailure) {
                let before = try await scale(reference, session)
                let isChange = before != Int64(replicas)
                tally.add(reference, isChange ? "scaled" : "unchanged", isChange: isChange && !dryRun)
                counts.append(.integer(before))
                await session.line(
                    "\(reference.title) \(isChange ? "scaled from \(before) to \(replicas)" : "unchanged (\(replicas))")"
                        + (dryRun ? " (server dry run)" : ""))
            } catch {
                var failure = error
                if error.isNotFound, error.status?.message.contains("could not find the requested resource") == true {
                    failure.error.message = "it cannot be scaled"
                }
                await session.complain("\(reference.title): \(failure.error.sentence)")
                try tally.fail(reference.title, failure)
            }
        }
        var outcome = tally.outcome
        outcome.result?["replicas"] = .integer(Int64(replicas))
        outcome.result?["before"] = .array(counts)
        return outcome
    }

    /// Sets the number; returns the one before.
    private func scale(
        _ reference: KubernetesSession.Reference, _ session: KubernetesSession
    ) async throws(KubernetesFailure) -> Int64 {
        let path = try reference.path("scale")
        let scale = try await session.client.send(KubernetesRequest(path))
        let before = scale.at("spec", "replicas")?.integer ?? 0
        if let current, before != Int64(current) {
            throw KubernetesFailure(
                .conflict, "it has \(before) replicas, not the \(current) that --current-replicas expects")
        }
        var patch = JSONNode.members(["spec": .members(["replicas": .number("\(replicas)")])])
        if current != nil, let version = scale.at("metadata", "resourceVersion") {
            patch = patch.setting("metadata", to: .members(["resourceVersion": version]))
        }
        _ = try await session.client.send(
            KubernetesRequest(
                .patch, path,
                query: [("fieldManager", ApplyVerb.manager)] + (dryRun ? [("dryRun", "All")] : []), body: patch,
                as: .merge))
        return before
    }
}
