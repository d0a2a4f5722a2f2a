// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import NIOCore

/// Writes the objects that `get` asks for, as they come.
struct ObjectListing {
    let request: GetRequest
    let groups: [GetRequest.Group]
    let session: KubernetesSession

    private var count = 0
    private var missing: KubernetesFailure?
    private var list: ListText?

    init(request: GetRequest, groups: [GetRequest.Group], session: KubernetesSession) {
        self.request = request
        self.groups = groups
        self.session = session
    }

    mutating func run() async throws(KubernetesFailure) -> ExecutionOutcome {
        let isOneObject = groups.count == 1 && groups[0].names.count == 1
        if !request.isTable, request.output != .name, !isOneObject { list = ListText(isYAML: request.output == .yaml) }
        if let list { await session.output.send(ByteBuffer(string: list.head)) }
        var shown = 0
        for group in groups {
            let before = count
            try await write(group, isAfterTable: shown > 0)
            if count > before { shown += 1 }
        }
        if let list { await session.output.send(ByteBuffer(string: list.tail(count: count))) }
        var result: [String: JSONValue] = ["count": .integer(Int64(count))]
        guard let missing else {
            if count == 0, request.isTable {
                let place = request.isEverywhere || groups.allSatisfy { !$0.resource.isNamespaced }
                await session.complain(
                    "no resources found\(place ? "" : " in the namespace \(session.namespace)")")
            }
            return ExecutionOutcome(result: result)
        }
        result.merge(missing.result) { own, _ in own }
        return ExecutionOutcome(
            error: TaskFailure(missing.error.code, missing.error.message), result: result)
    }

    private mutating func write(_ group: GetRequest.Group, isAfterTable: Bool) async throws(KubernetesFailure) {
        guard request.isTable else {
            try await read(group) { listing, page throws(KubernetesFailure) in
                try await listing.write(page, of: group)
            }
            return
        }
        var table = TableWriter(
            session.output.unwaiting, request.tableOptions(group, isAlone: groups.count == 1))
        try await read(group) { listing, page throws(KubernetesFailure) in
            let part = ServerTable(page)
            if isAfterTable, table.count == 0, !part.rows.isEmpty { await listing.session.line("") }
            table.write(part)
            listing.count += part.rows.count
            await listing.session.output.room()
        }
        table.settle()
        await session.output.room()
    }

    /// Gives each page of a list, or each object that is named, to a body.
    private mutating func read(
        _ group: GetRequest.Group,
        _ body: (inout ObjectListing, JSONNode) async throws(KubernetesFailure) -> Void
    ) async throws(KubernetesFailure) {
        guard !group.names.isEmpty else {
            var listing = self
            try await session.client.pages(
                request.query(group, session), accept: request.accept, size: request.chunk
            ) { page throws(KubernetesFailure) in try await body(&listing, page) }
            self = listing
            return
        }
        for name in group.names {
            let path = try ResourcePath.object(group.resource, namespace: session.namespace, name: name)
            do throws(KubernetesFailure) {
                let accept = request.isTable ? request.accept : "application/json"
                try await body(&self, try await session.client.send(KubernetesRequest(path, accept: accept)))
            } catch {
                guard error.isNotFound else { throw error }
                if request.ignoresMissing { continue }
                await session.complain("\(group.resource.title(name)): \(error.error.message)")
                missing = missing ?? error
            }
        }
    }

    private mutating func write(_ page: JSONNode, of group: GetRequest.Group) async throws(KubernetesFailure) {
        for item in page.listItems {
            // Items of a list say neither their kind nor their version.
            let node = item.setting("apiVersion", to: .string(group.resource.apiVersion))
                .setting("kind", to: .string(group.resource.kind))
            if request.output == .name {
                await session.line(group.resource.title(KubernetesObject(node).name))
            } else if let list {
                await session.write(list.item(request.shown(node), isFirst: count == 0))
            } else {
                let shown = request.shown(node)
                let text = request.output == .yaml ? ObjectText.yaml(shown) : ObjectText.json(shown) + "\n"
                await session.write(text)
            }
            count += 1
        }
    }
}

/// A `List` that is written item by item, so that no more than one is held.
struct ListText: Sendable {
    let isYAML: Bool

    var head: String {
        isYAML ? "apiVersion: v1\nitems:" : "{\n    \"apiVersion\": \"v1\",\n    \"items\": ["
    }

    func item(_ node: JSONNode, isFirst: Bool) -> String {
        if isYAML { return (isFirst ? "\n" : "") + ObjectText.yaml(.array([node])) }
        let lines = ObjectText.json(node).split(separator: "\n", omittingEmptySubsequences: false)
        return (isFirst ? "\n" : ",\n") + lines.map { "        \($0)" }.joined(separator: "\n")
    }

    func tail(count: Int) -> String {
        if isYAML { return (count == 0 ? " []\n" : "") + "kind: List\nmetadata:\n  resourceVersion: \"\"\n" }
        return (count == 0 ? "" : "\n    ")
            + "],\n    \"kind\": \"List\",\n    \"metadata\": {\n        \"resourceVersion\": \"\"\n    }\n}\n"
    }
}
