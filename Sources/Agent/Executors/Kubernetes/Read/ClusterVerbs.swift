// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// `api-resources`: what the cluster knows.
struct APIResourcesVerb: KubernetesVerb {
    static let options: Set = ["output", "no-headers"]

    private let output: String
    private let hasHeaders: Bool

    init(_ arguments: VerbArguments) throws(DeployError) {
        guard arguments.words.isEmpty else {
            throw DeployError(.invalidArgument, "api-resources takes options only")
        }
        output = try arguments.word("output", ["table", "wide", "name"]) ?? "table"
        hasHeaders = !arguments.flag("no-headers")
    }

    func run(_ session: KubernetesSession) async throws(KubernetesFailure) -> ExecutionOutcome {
        let (resources, failed) = try await session.discovery.all(session.client)
        var rows = RowWriter(session.output.unwaiting, format: .table, limit: .max, hasHeaders: hasHeaders)
        let names = ["NAME", "SHORTNAMES", "APIVERSION", "NAMESPACED", "KIND"] + (output == "wide" ? ["VERBS"] : [])
        if output != "name" { rows.begin(names.map { .init(name: $0, kind: .text) }) }
        for resource in resources {
            guard output != "name" else {
                await session.line(resource.qualified)
                continue
            }
            guard rows.beginRow() else { continue }
            rows.field(resource.name)
            rows.field(resource.shortNames.joined(separator: ","))
            rows.field(resource.apiVersion)
            rows.field(resource.isNamespaced ? "true" : "false")
            rows.field(resource.kind)
            if output == "wide" { rows.field(resource.verbs.joined(separator: ",")) }
            rows.endRow()
        }
        if output != "name" { rows.end() }
        for version in failed { await session.complain("\(version) does not answer: its resources are not listed") }
        await session.output.room()
        return ExecutionOutcome(
            result: [
                "count": .integer(Int64(resources.count)), "unavailable": .array(failed.map { .string($0) }),
            ])
    }
}

/// `api-versions`: groups and versions.
struct APIVersionsVerb: KubernetesVerb {
    static let options: Set<String> = []

    init(_ arguments: VerbArguments) throws(DeployError) {
        guard arguments.words.isEmpty else { throw DeployError(.invalidArgument, "api-versions takes nothing") }
    }

    func run(_ session: KubernetesSession) async throws(KubernetesFailure) -> ExecutionOutcome {
        let versions = try await session.discovery.versions(session.client)
        for version in versions.sorted() { await session.line(version) }
        return ExecutionOutcome(result: ["count": .integer(Int64(versions.count))])
    }
}

/// `version`: that of the server.
struct VersionVerb: KubernetesVerb {
    static let options: Set = ["output"]

    private let output: String?

    init(_ arguments: VerbArguments) throws(DeployError) {
        guard arguments.words.isEmpty else { throw DeployError(.invalidArgument, "version takes options only") }
        output = try arguments.word("output", ["json", "yaml"])
    }

    func run(_ session: KubernetesSession) async throws(KubernetesFailure) -> ExecutionOutcome {
        let facts = try await session.client.send(KubernetesRequest("/version"))
        switch output {
        case "json": await session.line(ObjectText.json(facts))
        case "yaml": await session.write(ObjectText.yaml(facts))
        default: await session.line("Server Version: \(facts["gitVersion"]?.text ?? "unknown")")
        }
        return ExecutionOutcome(result: ["version": .string(facts["gitVersion"]?.text ?? "")])
    }
}

/// `auth can-i`: whether this identity may do something.
struct CanIVerb: KubernetesVerb {
    static let options: Set = ["subresource", "all-namespaces"]

    private let act: String
    private let target: KubernetesStatement.Target
    private let part: String?
    private let isEverywhere: Bool

    init(_ arguments: VerbArguments) throws(DeployError) {
        let words = arguments.words
        guard words.first == "can-i", (3...4).contains(words.count) else {
            throw DeployError(
                .invalidArgument, "of auth there is can-i",
                hint: "auth can-i VERB TYPE [NAME], such as auth can-i list pods")
        }
        act = words[1]
        let targets = try arguments.targets(words.dropFirst(2))
        guard let first = targets.first, targets.count == 1 else {
            throw DeployError(.invalidArgument, "auth can-i asks for one resource at a time")
        }
        target = first
        part = arguments.text("subresource")
        isEverywhere = arguments.flag("all-namespaces")
    }

    func run(_ session: KubernetesSession) async throws(KubernetesFailure) -> ExecutionOutcome {
        var (group, name) = ("*", target.word)
        if name != "*" {
            let resource = try await session.discovery.resource(target.word, session.client)
            (group, name) = (resource.group, resource.name)
        }
        let members: [(String, String?)] = [
            ("verb", act), ("group", group), ("resource", name), ("name", target.name), ("subresource", part),
            ("namespace", isEverywhere ? nil : session.namespace),
        ]
        let attributes = JSONNode.object(
            members.compactMap { member in member.1.map { JSONMember(name: member.0, value: .string($0)) } })
        let review = JSONNode.members([
            "apiVersion": .string("authorization.k8s.io/v1"), "kind": .string("SelfSubjectAccessReview"),
            "spec": .members(["resourceAttributes": attributes]),
        ])
        let answer = try await session.client.send(
            KubernetesRequest(
                .post, ResourcePath.version("authorization.k8s.io", "v1") + "/selfsubjectaccessreviews", body: review))
        let isAllowed = answer.at("status", "allowed") == .bool(true)
        await session.line(isAllowed ? "yes" : "no")
        var outcome = ExecutionOutcome(result: ["allowed": .bool(isAllowed)])
        if session.context.parameters.flag("exit_code") { outcome.exitCode = isAllowed ? 0 : 1 }
        return outcome
    }
}
