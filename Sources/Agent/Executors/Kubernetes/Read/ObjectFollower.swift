// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// Shows objects and then every change of them, until the task is stopped.
struct ObjectFollower {
    let request: GetRequest
    let group: GetRequest.Group
    let session: KubernetesSession

    func run() async throws(KubernetesFailure) -> ExecutionOutcome {
        let query = request.query(group, session, name: group.names.first)
        var table = TableWriter(session.output.unwaiting, request.tableOptions(group, isAlone: true))
        var patience = WatchPatience()
        var version: String?
        while true {
            do throws(KubernetesFailure) {
                version = try await follow(query, from: version, &table, &patience)
            } catch {
                guard let delay = patience.failed(error) else { throw error }
                do {
                    try await Task.sleep(for: delay)
                } catch { throw session.client.failure(error) }
            }
        }
    }

    /// Lists, unless it goes on from a version, and watches; returns from where to go on, nil after which all is listed again.
    private func follow(
        _ query: ObjectQuery, from version: String?, _ table: inout TableWriter, _ patience: inout WatchPatience
    ) async throws(KubernetesFailure) -> String? {
        var start = version ?? ""
        if version == nil {
            start = try await session.client.pages(query, accept: request.accept, size: request.chunk) {
                page throws(KubernetesFailure) in
                await show(page, deleted: false, &table)
            }
            table.settle()
        }
        patience.succeeded()
        let end = try await session.client.watch(query, from: start, accept: request.accept) {
            event throws(KubernetesFailure) in
            patience.succeeded()
            await show(event.object, deleted: event.type == "DELETED", &table)
            table.settle()
            return true
        }
        switch end {
        case .ended(let version):
            try? await Task.sleep(for: .milliseconds(50))
            return version
        case .gone, .stopped:
            session.note("the cluster no longer knows where this watch stood; all is listed again")
            return nil
        }
    }

    private func show(_ node: JSONNode, deleted: Bool, _ table: inout TableWriter) async {
        if request.isTable {
            table.write(ServerTable(node), mark: deleted ? " (deleted)" : nil)
            await session.output.room()
            return
        }
        for item in node["items"]?.elements ?? [node] {
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
