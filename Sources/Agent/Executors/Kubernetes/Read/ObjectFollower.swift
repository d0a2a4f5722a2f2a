// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// Shows objects and then every change of them, until the task is stopped.
struct ObjectFollower {
    let request: GetRequest
    let group: GetRequest.Group
    let session: KubernetesSession

    func run() async throws(KubernetesFailure) -> ExecutionOutcome {
        var table = TableWriter(session.output.unwaiting, request.tableOptions(group, isAlone: true))
        var patience = WatchPatience()
        var version: String?
        while true {
            do throws(KubernetesFailure) {
                try await follow(from: &version, &table, &patience)
            } catch {
                guard let delay = patience.failed(error) else { throw error }
                try await session.client.pause(delay)
            }
        }
    }

    /// Lists, unless it goes on from a version, and watches until the watch ends; leaves from where to go on, nil where all has to
    /// be listed again.
    private func follow(
        from version: inout String?, _ table: inout TableWriter, _ patience: inout WatchPatience
    ) async throws(KubernetesFailure) {
        let query = request.query(group, session, name: group.names.first)
        var place: String
        if let version {
            place = version
        } else {
            place = try await session.client.pages(query, accept: request.accept, size: request.chunk) {
                page throws(KubernetesFailure) in
                await show(page, deleted: false, &table)
            }
            table.settle()
        }
        defer { if version != nil { version = place } }
        version = place
        let end = try await session.client.watch(query, from: &place, accept: request.accept, &patience) {
            event throws(KubernetesFailure) in
            await show(event.object, deleted: event.type == "DELETED", &table)
            table.settle()
            return true
        }
        if end == .gone {
            session.note("the cluster no longer knows where this watch stood; all is listed again")
            version = nil
        }
    }

    private func show(_ node: JSONNode, deleted: Bool, _ table: inout TableWriter) async {
        if request.isTable {
            table.write(ServerTable(node), mark: deleted ? " (deleted)" : nil)
            await session.output.room()
            return
        }
        for item in node.listItems {
            let node = item.setting("apiVersion", to: .string(group.resource.apiVersion))
                .setting("kind", to: .string(group.resource.kind))
            switch request.output {
            case .name: await session.line(group.resource.title(KubernetesObject(node).name))
            case .yaml: await session.write("---\n" + ObjectText.yaml(request.shown(node)))
            default: await session.line(request.shown(node).compact)
            }
        }
    }
}
