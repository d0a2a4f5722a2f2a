// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Synchronization

/// What resources a cluster has: asked when needed, kept for a few minutes, asked again when something is not found.
final class ResourceDiscovery: Sendable {
    /// How long an answer is believed.
    private static let lifetime: Duration = .seconds(300)
    /// How soon it may be asked again for what was not found.
    private static let refreshing: Duration = .seconds(1)
    /// Requests at once.
    private static let width = 8

    private struct Group: Sendable {
        var name: String
        /// The preferred one first.
        var versions: [String]
    }

    private struct Kept<Value: Sendable>: Sendable {
        var value: Value
        var at: ContinuousClock.Instant
    }

    private struct State {
        var groups: Kept<[Group]>?
        /// By API version; nil for one that could not be asked.
        var resources: [String: Kept<[APIResource]>] = [:]
    }

    private let state = Mutex(State())

    // MARK: Questions

    /// The resource that a word of a command names, such as `deploy`, `deployments.apps` or `deployments.v1.apps`.
    ///
    /// Throws `not_found` when there is none, and `policy_denied` when the guard could not see what it stands for.
    func resource(_ word: String, _ client: KubernetesClient) async throws(KubernetesFailure) -> APIResource {
        guard let found = try await search(word, client) else {
            throw KubernetesFailure(
                .notFound, "the cluster has no resource '\(word.prefix(64))'", hint: "api-resources lists them")
        }
        guard !KubernetesStatement.isDisguised(word, kind: found.kind) else {
            throw KubernetesFailure(
                .policyDenied,
                "'\(word.prefix(64))' stands for \(found.name) in this cluster, which policies know by name",
                hint: "write \(found.name)")
        }
        return found
    }

    /// The resource of a manifest; throws `not_found` when the cluster has none.
    func resource(
        apiVersion: String, kind: String, _ client: KubernetesClient
    ) async throws(KubernetesFailure) -> APIResource {
        let parts = apiVersion.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        guard (1...2).contains(parts.count), parts.allSatisfy(ResourcePath.isName) else {
            throw KubernetesFailure(.invalidArgument, "'\(apiVersion.prefix(64))' is no apiVersion")
        }
        let (group, version) = parts.count == 1 ? ("", parts[0]) : (parts[0], parts[1])
        for isFresh in [false, true] {
            if isFresh, !mayRefresh(apiVersion) { break }
            do throws(KubernetesFailure) {
                let list = try await resources(group, version, client, fresh: isFresh)
                if let found = list.first(where: { $0.kind == kind }) { return found }
            } catch {
                guard error.isNotFound else { throw error }
            }
        }
        throw KubernetesFailure(
            .notFound, "the cluster has no \(kind.prefix(64)) in \(apiVersion.prefix(64))",
            hint: "is its definition (CRD) installed?")
    }

    /// The resources of a category, such as `all`.
    func category(_ word: String, _ client: KubernetesClient) async throws(KubernetesFailure) -> [APIResource] {
        try await all(client).resources.filter { $0.categories.contains(word) && $0.verbs.contains("list") }
    }

    /// All resources in their preferred versions, and the API versions that could not be asked.
    func all(
        _ client: KubernetesClient
    ) async throws(KubernetesFailure) -> (resources: [APIResource], failed: [String]) {
        let wanted = try await groups(client).compactMap { group in group.versions.first.map { (group.name, $0) } }
        let lists = try await load(wanted, client)
        let failed = zip(wanted, lists).filter { $0.1 == nil }.map { $0.0.0.isEmpty ? $0.0.1 : "\($0.0.0)/\($0.0.1)" }
        return (lists.flatMap { $0 ?? [] }, failed)
    }

    /// All API versions.
    func versions(_ client: KubernetesClient) async throws(KubernetesFailure) -> [String] {
        try await groups(client).flatMap { group in
            group.versions.map { group.name.isEmpty ? $0 : "\(group.name)/\($0)" }
        }
    }

    // MARK: Searching

    private func search(_ word: String, _ client: KubernetesClient) async throws(KubernetesFailure) -> APIResource? {
        let dot = word.firstIndex(of: ".")
        let name = String(word[..<(dot ?? word.endIndex)])
        let rest = dot.map { String(word[word.index(after: $0)...]) }
        guard !name.isEmpty else { return nil }
        if rest == nil, let found = try await resources("", "v1", client).first(where: { $0.isNamed(name) }) {
            return found
        }
        for isFresh in [false, true] {
            if isFresh {
                guard mayRefresh(nil) else { return nil }
                state.withLock { $0 = State() }
            }
            let groups = try await groups(client)
            // VERSION.GROUP before GROUP, as kubectl reads it.
            for choice in [Self.exact(groups, rest), Self.preferred(groups, rest), Self.others(groups, rest)] {
                let lists = try await load(choice, client)
                if let found = lists.lazy.flatMap({ $0 ?? [] }).first(where: { $0.isNamed(name) }) { return found }
            }
        }
        return nil
    }

    private static func exact(_ groups: [Group], _ rest: String?) -> [(String, String)] {
        guard let rest else { return [] }
        return groups.flatMap { group in
            group.versions.filter { "\($0).\(group.name)" == rest }.map { (group.name, $0) }
        }
    }

    private static func preferred(_ groups: [Group], _ rest: String?) -> [(String, String)] {
        groups.filter { rest == nil || $0.name == rest }.compactMap { group in
            group.versions.first.map { (group.name, $0) }
        }
    }

    private static func others(_ groups: [Group], _ rest: String?) -> [(String, String)] {
        groups.filter { rest == nil || $0.name == rest }.flatMap { group in
            group.versions.dropFirst().map { (group.name, $0) }
        }
    }

    // MARK: Asking

    /// Whether what is known of a version (of all, for nil) is old enough to be asked again.
    private func mayRefresh(_ apiVersion: String?) -> Bool {
        let now = ContinuousClock.now
        return state.withLock { state in
            let at = apiVersion.map { state.resources[$0]?.at } ?? state.groups?.at
            return at.map { now - $0 > Self.refreshing } ?? true
        }
    }

    private func groups(_ client: KubernetesClient) async throws(KubernetesFailure) -> [Group] {
        let now = ContinuousClock.now
        if let kept = state.withLock({ $0.groups }), now - kept.at < Self.lifetime { return kept.value }
        let answer = try await client.send(KubernetesRequest("/apis"))
        var groups = [Group(name: "", versions: ["v1"])]
        for item in answer["groups"]?.elements ?? [] {
            guard let name = item["name"]?.text else { continue }
            let versions = (item["versions"]?.elements ?? []).compactMap { $0["version"]?.text }
            let preferred = item.at("preferredVersion", "version")?.text
            groups.append(
                Group(name: name, versions: versions.filter { $0 == preferred } + versions.filter { $0 != preferred }))
        }
        let found = groups
        state.withLock { $0.groups = Kept(value: found, at: now) }
        return found
    }

    private func resources(
        _ group: String, _ version: String, _ client: KubernetesClient, fresh: Bool = false
    ) async throws(KubernetesFailure) -> [APIResource] {
        let key = group.isEmpty ? version : "\(group)/\(version)"
        let now = ContinuousClock.now
        if !fresh, let kept = state.withLock({ $0.resources[key] }), now - kept.at < Self.lifetime { return kept.value }
        let answer = try await client.send(KubernetesRequest(ResourcePath.version(group, version)))
        let list = APIResource.list(answer, group: group, version: version)
        state.withLock { $0.resources[key] = Kept(value: list, at: now) }
        return list
    }

    /// The lists of several versions, in their order; nil for one whose server does not answer, which is no reason not to work
    /// with the others.
    private func load(
        _ wanted: [(String, String)], _ client: KubernetesClient
    ) async throws(KubernetesFailure) -> [[APIResource]?] {
        var lists = [[APIResource]?](repeating: nil, count: wanted.count)
        var failure: KubernetesFailure?
        await withTaskGroup(of: (Int, Result<[APIResource], KubernetesFailure>).self) { group in
            var next = 0
            func add() {
                guard next < wanted.count else { return }
                let index = next
                next += 1
                group.addTask {
                    do throws(KubernetesFailure) {
                        return (index, .success(try await self.resources(wanted[index].0, wanted[index].1, client)))
                    } catch { return (index, .failure(error)) }
                }
            }
            for _ in 0..<Self.width { add() }
            for await (index, result) in group {
                switch result {
                case .success(let list): lists[index] = list
                case .failure(let error): if error.status == nil || error.status?.code == 401 { failure = error }
                }
                add()
            }
        }
        if let failure { throw failure }
        return lists
    }
}
