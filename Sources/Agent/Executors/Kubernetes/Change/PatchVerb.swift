// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// `patch`: changes parts of objects.
struct PatchVerb: KubernetesVerb {
    static let options: Set = ["patch", "type", "subresource", "field-manager", "dry-run", "output"]

    private let targets: [KubernetesStatement.Target]
    private let patch: JSONNode
    private let type: PatchType
    private let part: String?
    private let query: [(String, String)]
    private let dryRun: Bool
    private let output: String?

    init(_ arguments: VerbArguments) throws(DeployError) {
        targets = try arguments.targets(arguments.words)
        guard targets.allSatisfy({ $0.name != nil }) else {
            throw DeployError(.invalidArgument, "patch needs the names of objects")
        }
        guard let text = arguments.text("patch") else { throw DeployError(.invalidArgument, "patch needs -p") }
        patch = try KubernetesStatement.patch(text)
        let types: [String: PatchType] = ["merge": .merge, "strategic": .strategic, "json": .json]
        type = types[try arguments.word("type", types.keys.sorted()) ?? "strategic"] ?? .strategic
        guard (type == .json) == (patch.elements != nil) else {
            throw DeployError(
                .invalidArgument, type == .json ? "a JSON patch is an array" : "the patch is an array",
                hint: type == .json ? "--type=merge for an object" : "--type=json for an array")
        }
        part = try arguments.word("subresource", ["status", "scale"])
        dryRun = try arguments.isDryRun()
        query =
            [("fieldManager", arguments.text("field-manager") ?? ApplyVerb.manager), ("fieldValidation", "Strict")]
            + (dryRun ? [("dryRun", "All")] : [])
        output = try arguments.word("output", ["name", "yaml", "json"])
    }

    func run(_ session: KubernetesSession) async throws(KubernetesFailure) -> ExecutionOutcome {
        var tally = ObjectTally()
        for target in targets {
            let reference = try await session.reference(target)
            do throws(KubernetesFailure) {
                let before = try? await session.client.object(
                    reference.resource, namespace: reference.namespace, name: reference.name)
                let answer = try await session.client.send(
                    KubernetesRequest(.patch, try reference.path(part), query: query, body: patch, as: type))
                let after = KubernetesObject(answer)
                let isSame =
                    part == nil
                    ? before.map(after.isUnchanged) ?? false : before?.resourceVersion == after.resourceVersion
                tally.add(reference, isSame ? "unchanged" : "patched", isChange: !isSame && !dryRun)
                await session.show(answer, reference, isSame ? "unchanged" : "patched", output, dryRun: dryRun)
            } catch {
                var failure = error
                if error.status?.code == 415 {
                    failure.error.hint = "objects of custom resources take --type=merge or --type=json"
                }
                await session.complain("\(reference.title): \(failure.error.sentence)")
                try tally.fail(reference.title, failure)
            }
        }
        return tally.outcome
    }
}
