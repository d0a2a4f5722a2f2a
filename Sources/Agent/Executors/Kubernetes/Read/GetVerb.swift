// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// `get` and `list`: shows objects by name or selector, as a table, as YAML or JSON, or their names.
struct GetVerb: KubernetesVerb {
    static let options: Set = [
        "output", "selector", "field-selector", "all-namespaces", "show-labels", "no-headers", "ignore-not-found",
        "chunk-size", "watch", "show-managed-fields",
    ]

    enum Output: String, CaseIterable {
        case table, wide, json, yaml, name
    }

    private let targets: [KubernetesStatement.Target]
    private let request: GetRequest
    private let watches: Bool

    init(_ arguments: VerbArguments) throws(DeployError) {
        try self.init(arguments, watches: arguments.flag("watch"))
    }

    init(_ arguments: VerbArguments, watches: Bool) throws(DeployError) {
        targets = try arguments.targets(arguments.words)
        request = try GetRequest(arguments)
        self.watches = watches
        let isNamed = targets.contains { $0.name != nil }
        if isNamed, request.labels != nil || request.fields != nil || request.isEverywhere {
            throw DeployError(.invalidArgument, "names do not go together with -A, -l and --field-selector")
        }
        if watches, targets.count != 1 {
            throw DeployError(.invalidArgument, "one resource or one object can be watched at a time")
        }
    }

    func run(_ session: KubernetesSession) async throws(KubernetesFailure) -> ExecutionOutcome {
        let groups = try await groups(session)
        if watches, let group = groups.first {
            return try await ObjectFollower(request: request, group: group, session: session).run()
        }
        var listing = ObjectListing(request: request, groups: groups, session: session)
        return try await listing.run()
    }

    /// The targets by resource, those of categories such as `all` taken apart.
    private func groups(_ session: KubernetesSession) async throws(KubernetesFailure) -> [GetRequest.Group] {
        var groups: [GetRequest.Group] = []
        for target in targets {
            if let index = groups.firstIndex(where: { $0.word == target.word }) {
                if let name = target.name { groups[index].names.append(name) }
                continue
            }
            let names = target.name.map { [$0] } ?? []
            do throws(KubernetesFailure) {
                groups.append(.init(word: target.word, resource: try await session.resource(target.word), names: names))
            } catch {
                guard error.error.code == .notFound, target.name == nil else { throw error }
                let members = try await session.discovery.category(target.word, session.client)
                guard !members.isEmpty else { throw error }
                for resource in members where !KubernetesStatement.isDisguised(target.word, kind: resource.kind) {
                    groups.append(.init(word: resource.qualified, resource: resource, names: []))
                }
            }
        }
        return groups
    }
}

/// `watch`: the same as `get --watch`.
struct WatchVerb: KubernetesVerb {
    static let options = GetVerb.options.subtracting(["watch"])
    private let get: GetVerb

    init(_ arguments: VerbArguments) throws(DeployError) { get = try GetVerb(arguments, watches: true) }

    func run(_ session: KubernetesSession) async throws(KubernetesFailure) -> ExecutionOutcome {
        try await get.run(session)
    }
}

/// What `get` is to show, and how.
struct GetRequest: Sendable {
    /// Objects of one resource.
    struct Group: Sendable {
        var word: String
        var resource: APIResource
        /// Empty for all.
        var names: [String]
    }

    let output: GetVerb.Output
    let labels: String?
    let fields: String?
    let isEverywhere: Bool
    let chunk: Int
    let ignoresMissing: Bool
    let showsManagedFields: Bool
    let showsLabels: Bool
    let hasHeaders: Bool

    init(_ arguments: VerbArguments) throws(DeployError) {
        let words = GetVerb.Output.allCases.map(\.rawValue)
        output = GetVerb.Output(rawValue: try arguments.word("output", words) ?? "table") ?? .table
        labels = arguments.text("selector").flatMap { $0.isEmpty ? nil : $0 }
        fields = arguments.text("field-selector").flatMap { $0.isEmpty ? nil : $0 }
        isEverywhere = arguments.flag("all-namespaces")
        chunk = try arguments.integer("chunk-size", in: 0...10_000) ?? 250
        ignoresMissing = arguments.flag("ignore-not-found")
        showsManagedFields = arguments.flag("show-managed-fields")
        showsLabels = arguments.flag("show-labels")
        hasHeaders = !arguments.flag("no-headers")
    }

    var isTable: Bool { output == .table || output == .wide }

    /// In which form the server is to answer.
    var accept: String {
        switch output {
        case .table, .wide: ServerTable.accept
        case .name: "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io,application/json"
        case .json, .yaml: "application/json"
        }
    }

    func query(_ group: Group, _ session: KubernetesSession, name: String? = nil) -> ObjectQuery {
        let isHere = group.resource.isNamespaced && !isEverywhere
        return ObjectQuery(
            resource: group.resource, namespace: isHere ? session.namespace : nil, name: name, labels: labels,
            fields: fields)
    }

    func tableOptions(_ group: Group, isAlone: Bool) -> TableWriter.Options {
        TableWriter.Options(
            isWide: output == .wide, showsNamespace: isEverywhere && group.resource.isNamespaced,
            showsLabels: showsLabels, hasHeaders: hasHeaders, prefix: isAlone ? "" : group.resource.title(""))
    }

    /// The object as it is shown.
    func shown(_ node: JSONNode) -> JSONNode {
        guard !showsManagedFields, let metadata = node["metadata"] else { return node }
        return node.setting("metadata", to: metadata.removing(["managedFields"]))
    }
}
