// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// `diff`: what `apply` would change, asked of the server itself, as a unified diff.
struct DiffVerb: KubernetesVerb {
    static let options: Set = ["filename", "server-side", "force-conflicts", "field-manager"]
    static let takesManifests = true

    private let objects: [JSONNode]
    private let query: [(String, String)]

    init(_ arguments: VerbArguments) throws(DeployError) {
        guard arguments.words.isEmpty else {
            throw DeployError(.invalidArgument, "diff takes manifests and options only")
        }
        objects = arguments.statement.objects
        guard !objects.isEmpty else {
            throw DeployError(
                .invalidArgument, "there is nothing to compare", hint: "write manifests below the first line")
        }
        query = [
            ("fieldManager", arguments.text("field-manager") ?? ApplyVerb.manager),
            ("force", arguments.flag("force-conflicts") ? "true" : "false"), ("dryRun", "All"),
        ]
    }

    func run(_ session: KubernetesSession) async throws(KubernetesFailure) -> ExecutionOutcome {
        var tally = ObjectTally()
        var differing = 0
        for object in objects {
            let title = "\(object["kind"]?.text ?? "?") \(KubernetesObject(object).name)"
            do throws(KubernetesFailure) {
                let reference = try await session.reference(object)
                let text = try await difference(object, reference, session)
                if !text.isEmpty { differing += 1 }
                tally.add(reference, text.isEmpty ? "same" : "differs", isChange: !text.isEmpty)
                await session.write(text)
            } catch {
                await session.complain("\(title): \(error.error.sentence)")
                try tally.fail(title, error)
            }
        }
        var outcome = tally.outcome
        outcome.result?["differing"] = .integer(Int64(differing))
        // As diff(1) and kubectl have it, for those who want it.
        if session.context.parameters.flag("exit_code"), outcome.error == nil {
            outcome.exitCode = differing > 0 ? 1 : 0
        }
        return outcome
    }

    private func difference(
        _ object: JSONNode, _ reference: KubernetesSession.Reference, _ session: KubernetesSession
    ) async throws(KubernetesFailure) -> String {
        guard !reference.name.isEmpty else { throw KubernetesFailure(.invalidArgument, "diff needs metadata.name") }
        let live = try await session.client.object(
            reference.resource, namespace: reference.namespace, name: reference.name)
        let merged = try await session.client.send(
            KubernetesRequest(.patch, try reference.path(), query: query, body: object, as: .apply))
        let (old, new) = Self.comparable(live?.node, merged)
        let file =
            ([reference.resource.apiVersion.replacing("/", with: "."), reference.resource.kind]
            + (reference.resource.isNamespaced ? [reference.namespace] : []) + [reference.name]).joined(separator: ".")
        return UnifiedDiff.text(
            old.map(ObjectText.yaml) ?? "", ObjectText.yaml(new), names: ("LIVE/\(file)", "MERGED/\(file)"))
    }

    /// Both without what changes by itself, and without what a secret holds.
    static func comparable(_ live: JSONNode?, _ merged: JSONNode) -> (JSONNode?, JSONNode) {
        let noise: Set = ["managedFields", "resourceVersion", "generation", "uid", "creationTimestamp"]
        func quiet(_ node: JSONNode) -> JSONNode {
            guard let metadata = node["metadata"] else { return node }
            return node.setting("metadata", to: metadata.removing(noise.union(["selfLink"])))
        }
        guard merged["kind"]?.text == "Secret", merged["apiVersion"]?.text == "v1" else {
            return (live.map(quiet), quiet(merged))
        }
        // That a value differs is told, neither value is.
        var (old, new) = (live.map { ObjectText.masked($0) }, ObjectText.masked(merged))
        for part in ["data", "stringData"] {
            for member in merged[part]?.members ?? [] {
                guard let before = live?[part]?[member.name], before != member.value else { continue }
                old = old?.setting(part, to: (old?[part] ?? .null).setting(member.name, to: .string("*** (before)")))
                new = new.setting(part, to: (new[part] ?? .null).setting(member.name, to: .string("*** (after)")))
            }
        }
        return (old.map(quiet), quiet(new))
    }
}
