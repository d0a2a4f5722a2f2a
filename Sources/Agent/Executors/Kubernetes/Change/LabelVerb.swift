// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// `label`: sets and removes labels.
struct LabelVerb: KubernetesVerb {
    static let options = MetadataChange.options
    private let change: MetadataChange

    init(_ arguments: VerbArguments) throws(DeployError) { change = try MetadataChange(arguments, "labels") }

    func run(_ session: KubernetesSession) async throws(KubernetesFailure) -> ExecutionOutcome {
        try await change.run(session)
    }
}

/// `annotate`: sets and removes annotations.
struct AnnotateVerb: KubernetesVerb {
    static let options = MetadataChange.options
    private let change: MetadataChange

    init(_ arguments: VerbArguments) throws(DeployError) { change = try MetadataChange(arguments, "annotations") }

    func run(_ session: KubernetesSession) async throws(KubernetesFailure) -> ExecutionOutcome {
        try await change.run(session)
    }
}

/// A change of labels or annotations: `key=value` sets, `key-` removes.
struct MetadataChange: Sendable {
    static let options: Set = ["overwrite", "selector", "field-selector", "all", "dry-run", "field-manager", "output"]

    private let member: String
    private let targets: [KubernetesStatement.Target]
    private let values: [(key: String, value: String?)]
    private let overwrites: Bool
    private let labels: String?
    private let fields: String?
    private let query: [(String, String)]
    private let dryRun: Bool
    private let output: String?

    init(_ arguments: VerbArguments, _ member: String) throws(DeployError) {
        self.member = member
        let isChange = { (word: String) in word.contains("=") || word.hasSuffix("-") }
        targets = try arguments.targets(arguments.words.filter { !isChange($0) })
        var values: [(key: String, value: String?)] = []
        for word in arguments.words where isChange(word) {
            let parts = word.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            let key = parts.count == 1 ? String(word.dropLast()) : parts[0]
            guard !key.isEmpty else { throw DeployError(.invalidArgument, "'\(word.prefix(64))' has no key") }
            values.append((key, parts.count == 1 ? nil : parts[1]))
        }
        self.values = values
        guard !values.isEmpty else {
            throw DeployError(.invalidArgument, "\(arguments.verb) needs KEY=VALUE to set or KEY- to remove")
        }
        overwrites = arguments.flag("overwrite")
        labels = arguments.text("selector")
        fields = arguments.text("field-selector")
        let isSelected = [labels, fields].contains { $0?.isEmpty == false } || arguments.flag("all")
        guard targets.allSatisfy({ ($0.name == nil) == isSelected }) else {
            throw DeployError(
                .invalidArgument,
                "\(arguments.verb) needs names, or one of -l, --field-selector and --all, and not both")
        }
        dryRun = try arguments.isDryRun()
        query =
            [("fieldManager", arguments.text("field-manager") ?? ApplyVerb.manager)]
            + (dryRun ? [("dryRun", "All")] : [])
        output = try arguments.word("output", ["name", "yaml", "json"])
    }

    func run(_ session: KubernetesSession) async throws(KubernetesFailure) -> ExecutionOutcome {
        var tally = ObjectTally()
        for reference in try await session.references(targets, labels: labels, fields: fields) {
            do throws(KubernetesFailure) {
                let action = member == "labels" ? "labeled" : "annotated"
                let (answer, isChange) = try await change(reference, session)
                tally.add(reference, isChange ? action : "unchanged", isChange: isChange && !dryRun)
                await session.show(answer, reference, isChange ? action : "unchanged", output, dryRun: dryRun)
            } catch {
                await session.complain("\(reference.title): \(error.error.sentence)")
                try tally.fail(reference.title, error)
            }
        }
        return tally.outcome
    }

    private func change(
        _ reference: KubernetesSession.Reference, _ session: KubernetesSession
    ) async throws(KubernetesFailure) -> (JSONNode, isChange: Bool) {
        guard
            let object = try await session.client.object(
                reference.resource, namespace: reference.namespace, name: reference.name)
        else { throw KubernetesFailure(.notFound, "it does not exist") }
        let present = object.metadata[member]
        let wanted = values.filter { present?[$0.key]?.text != $0.value }
        guard !wanted.isEmpty else { return (object.node, false) }
        if !overwrites,
            let taken = wanted.first(where: { $0.value != nil && present?[$0.key]?.text != nil })
        {
            throw KubernetesFailure(
                .conflict, "'\(taken.key)' already has a value (\(present?[taken.key]?.text?.prefix(64) ?? ""))",
                hint: "--overwrite replaces it")
        }
        var metadata = JSONNode.members([
            member.self: .object(
                wanted.map { JSONMember(name: $0.key, value: $0.value.map { .string($0) } ?? .null) })
        ])
        // What was looked at must be what is changed.
        if !overwrites { metadata = metadata.setting("resourceVersion", to: .string(object.resourceVersion)) }
        let answer = try await session.client.send(
            KubernetesRequest(
                .patch, try reference.path(), query: query, body: .members(["metadata": metadata]), as: .merge))
        return (answer, true)
    }
}
