// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// `create`: makes the objects of manifests, which must not exist yet.
struct CreateVerb: KubernetesVerb {
    static let options = ManifestWriter.options
    static let takesManifests = true

    private let writer: ManifestWriter

    init(_ arguments: VerbArguments) throws(DeployError) { writer = try ManifestWriter(arguments) }

    func run(_ session: KubernetesSession) async throws(KubernetesFailure) -> ExecutionOutcome {
        try await writer.run(session) { manifest, reference, query throws(KubernetesFailure) in
            let path = ResourcePath.collection(reference.resource, namespace: reference.namespace)
            return try await session.client.send(
                KubernetesRequest(.post, path, query: query, body: manifest))
        }
    }
}

/// `replace`: writes the objects of manifests in place of what is there.
struct ReplaceVerb: KubernetesVerb {
    static let options = ManifestWriter.options
    static let takesManifests = true

    private let writer: ManifestWriter

    init(_ arguments: VerbArguments) throws(DeployError) { writer = try ManifestWriter(arguments) }

    func run(_ session: KubernetesSession) async throws(KubernetesFailure) -> ExecutionOutcome {
        try await writer.run(session) { manifest, reference, query throws(KubernetesFailure) in
            try await session.client.send(
                KubernetesRequest(.put, try reference.path(), query: query, body: manifest))
        }
    }
}

/// What `create` and `replace` have in common.
struct ManifestWriter: Sendable {
    static let options: Set = ["filename", "field-manager", "dry-run", "output", "validate"]

    private let objects: [JSONNode]
    private let query: [(String, String)]
    private let output: String?
    private let action: String
    private let dryRun: Bool

    init(_ arguments: VerbArguments) throws(DeployError) {
        guard arguments.words.isEmpty else {
            throw DeployError(
                .invalidArgument, "\(arguments.verb) takes manifests, not '\(arguments.words[0].prefix(40))'",
                hint: "write the object below the first line")
        }
        objects = arguments.statement.objects
        guard !objects.isEmpty else {
            throw DeployError(
                .invalidArgument, "there is nothing to \(arguments.verb)", hint: "write manifests below the first line")
        }
        dryRun = try arguments.isDryRun()
        output = try arguments.word("output", ["name", "yaml", "json"])
        action = arguments.verb == "create" ? "created" : "replaced"
        let validation = try arguments.word("validate", ["true", "strict", "warn", "ignore", "false"]) ?? "strict"
        let words = ["true": "Strict", "strict": "Strict", "warn": "Warn", "ignore": "Ignore", "false": "Ignore"]
        query =
            [
                ("fieldManager", arguments.text("field-manager") ?? ApplyVerb.manager),
                ("fieldValidation", words[validation] ?? "Strict"),
            ] + (dryRun ? [("dryRun", "All")] : [])
    }

    func run(
        _ session: KubernetesSession,
        _ write: (JSONNode, KubernetesSession.Reference, [(String, String)]) async throws(KubernetesFailure) -> JSONNode
    ) async throws(KubernetesFailure) -> ExecutionOutcome {
        var tally = ObjectTally()
        for object in objects {
            let title = "\(object["kind"]?.text ?? "?") \(KubernetesObject(object).name)"
            do throws(KubernetesFailure) {
                var reference = try await session.reference(object)
                var manifest = object
                if reference.resource.isNamespaced, let metadata = object["metadata"] {
                    manifest = object.setting(
                        "metadata", to: metadata.setting("namespace", to: .string(reference.namespace)))
                }
                let answer = try await write(manifest, reference, query)
                // The server makes the name up where the manifest has generateName.
                reference.name = KubernetesObject(answer).name
                tally.add(reference, action, isChange: !dryRun)
                await session.show(answer, reference, action, output, dryRun: dryRun)
            } catch {
                await session.complain("\(title): \(error.error.sentence)")
                try tally.fail(title, error)
            }
        }
        return tally.outcome
    }
}
