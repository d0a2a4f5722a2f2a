// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// Which objects of a resource are meant.
struct ObjectQuery: Sendable {
    var resource: APIResource
    /// Nil for all namespaces.
    var namespace: String?
    /// For the whole life of an object: its name.
    var name: String?
    var labels: String?
    var fields: String?

    var path: String { ResourcePath.collection(resource, namespace: namespace) }

    var parameters: [(String, String)] {
        var parameters: [(String, String)] = []
        if let labels, !labels.isEmpty { parameters.append(("labelSelector", labels)) }
        let selectors = [name.map { "metadata.name=\($0)" }, fields].compactMap { $0 }.filter { !$0.isEmpty }
        if !selectors.isEmpty { parameters.append(("fieldSelector", selectors.joined(separator: ","))) }
        return parameters
    }
}

extension KubernetesClient {
    /// Reads all objects a query means, page by page, so that memory holds one page only; returns the version of the list, from
    /// which changes can be watched.
    @discardableResult
    func pages(
        _ query: ObjectQuery, accept: String = "application/json", size: Int = 250,
        _ body: (JSONNode) async throws(KubernetesFailure) -> Void
    ) async throws(KubernetesFailure) -> String {
        var size = size
        var token: String?
        while true {
            var parameters = query.parameters
            if size > 0 { parameters.append(("limit", "\(size)")) }
            if let token { parameters.append(("continue", token)) }
            let page: JSONNode
            do throws(KubernetesFailure) {
                page = try await send(KubernetesRequest(query.path, query: parameters, accept: accept))
            } catch {
                if error.error.code == .tooLarge, error.status == nil, size == 0 || size > 1 {
                    size = max(1, (size == 0 ? 250 : size) / 5)
                    continue
                }
                // The list's snapshot is gone: the rest is read from the present one.
                guard error.isGone, token != nil, let next = error.status?.continuation else { throw error }
                token = next
                continue
            }
            try await body(page)
            let next = page.at("metadata", "continue")?.text ?? ""
            guard !next.isEmpty else { return page.at("metadata", "resourceVersion")?.text ?? "" }
            token = next
        }
    }

    /// The objects of a query that is not expected to mean many; throws `too_large` over the limit.
    func objects(_ query: ObjectQuery, most: Int = 5000) async throws(KubernetesFailure) -> [KubernetesObject] {
        var result: [KubernetesObject] = []
        try await pages(query) { page throws(KubernetesFailure) in
            for item in page["items"]?.elements ?? [] {
                // Items of a list say neither what they are nor in which version.
                let kind = item.setting("apiVersion", to: .string(query.resource.apiVersion))
                    .setting("kind", to: .string(query.resource.kind))
                result.append(KubernetesObject(kind))
            }
            guard result.count <= most else {
                throw KubernetesFailure(
                    .tooLarge, "over \(most) \(query.resource.name) are meant", hint: "narrow the selector")
            }
        }
        return result
    }

    /// One object; nil when it does not exist.
    func object(
        _ resource: APIResource, namespace: String, name: String
    ) async throws(KubernetesFailure) -> KubernetesObject? {
        let path = try ResourcePath.object(resource, namespace: namespace, name: name)
        do throws(KubernetesFailure) {
            return KubernetesObject(try await send(KubernetesRequest(path)))
        } catch {
            guard error.isNotFound else { throw error }
            return nil
        }
    }
}
