// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// One change that a watch tells of.
struct WatchEvent: Sendable {
    /// `ADDED`, `MODIFIED` or `DELETED`.
    var type: String
    /// The object after it, or a table of one row.
    var object: JSONNode
}

/// What looking at an object has led to.
enum WatchDecision<Value: Sendable>: Sendable {
    /// It has to be looked at again.
    case wait
    case done(Value)
}

extension KubernetesClient {
    /// How a watch came to its end.
    enum WatchEnd: Sendable {
        /// The body wanted no more.
        case stopped
        /// The server closed it, as it does every few minutes: go on from the version reached.
        case ended
        /// The version is too old: list again.
        case gone
    }

    /// Seconds after which the server is asked to end a watch, so that a dead one is noticed.
    private static let watchTime = "240"

    /// Watches what a query means from a version on; `body` says whether to go on. The version follows what has come, also when
    /// the watch ends in an error.
    func watch(
        _ query: ObjectQuery, from version: inout String, accept: String = "application/json",
        _ patience: inout WatchPatience, _ body: (WatchEvent) async throws(KubernetesFailure) -> Bool
    ) async throws(KubernetesFailure) -> WatchEnd {
        let parameters =
            query.parameters + [
                ("watch", "true"), ("resourceVersion", version), ("allowWatchBookmarks", "true"),
                ("timeoutSeconds", Self.watchTime),
            ]
        let request = KubernetesRequest(query.path, query: parameters, accept: accept)
        var end = WatchEnd.ended
        do throws(KubernetesFailure) {
            try await lines(request, opened: { patience.opened() }) { line throws(KubernetesFailure) in
                let object = line["object"] ?? .null
                switch line["type"]?.text {
                case "ERROR":
                    let status = KubernetesStatus(object, httpStatus: 500)
                    guard status.code == 410 else { throw KubernetesFailure(status) }
                    end = .gone
                    return false
                case "BOOKMARK": break
                case let type?:
                    guard try await body(WatchEvent(type: type, object: object)) else {
                        end = .stopped
                        return false
                    }
                default: throw KubernetesFailure(.protocolError, "the cluster sends an event without a type")
                }
                if let next = Self.version(object) { version = next }
                return true
            }
        } catch {
            guard error.isGone else { throw error }
            return .gone
        }
        // A server that ends every watch at once is not asked again at once.
        if end == .ended { try await pause(patience.isBrief() ? .seconds(1) : .milliseconds(50)) }
        return end
    }

    /// The version of an object, or of the last row of a table.
    private static func version(_ object: JSONNode) -> String? {
        let rows = object["rows"]?.elements
        let metadata = rows?.last?.at("object", "metadata") ?? object["metadata"]
        return metadata?["resourceVersion"]?.text.flatMap { $0.isEmpty ? nil : $0 }
    }

    /// Looks at one object, then at each of its changes, until `decide` is done; it is given nil while there is no object.
    ///
    /// A server that is away for a while is waited for; without the right to watch, the object is asked for every two seconds.
    func observe<Value: Sendable>(
        _ resource: APIResource, namespace: String, name: String,
        _ decide: (KubernetesObject?) async throws(KubernetesFailure) -> WatchDecision<Value>
    ) async throws(KubernetesFailure) -> Value {
        try ResourcePath.checkName(name)
        let query = ObjectQuery(resource: resource, namespace: resource.isNamespaced ? namespace : nil, name: name)
        var patience = WatchPatience()
        var mayWatch = true
        while true {
            do throws(KubernetesFailure) {
                if mayWatch {
                    if let value = try await look(query, &patience, decide) { return value }
                } else {
                    let object = try await object(resource, namespace: namespace, name: name)
                    patience = WatchPatience()
                    if case .done(let value) = try await decide(object) { return value }
                    try await pause(.seconds(2))
                }
            } catch {
                if error.isForbidden, mayWatch {
                    mayWatch = false
                } else {
                    guard let delay = patience.failed(error) else { throw error }
                    try await pause(delay)
                }
            }
        }
    }

    /// Lists the one object and watches it until it is decided or the version is gone.
    private func look<Value: Sendable>(
        _ query: ObjectQuery, _ patience: inout WatchPatience,
        _ decide: (KubernetesObject?) async throws(KubernetesFailure) -> WatchDecision<Value>
    ) async throws(KubernetesFailure) -> Value? {
        let list = try await send(KubernetesRequest(query.path, query: query.parameters))
        if case .done(let value) = try await decide(list["items"]?.elements?.first.map(KubernetesObject.init)) {
            return value
        }
        var decided: Value?
        var version = list.at("metadata", "resourceVersion")?.text ?? ""
        while true {
            let end = try await watch(query, from: &version, &patience) { event throws(KubernetesFailure) in
                let object = event.type == "DELETED" ? nil : KubernetesObject(event.object)
                guard case .done(let value) = try await decide(object) else { return true }
                decided = value
                return false
            }
            if end != .ended { return decided }
        }
    }

    func pause(_ time: Duration) async throws(KubernetesFailure) {
        do {
            try await Task.sleep(for: time)
        } catch { throw failure(error) }
    }
}

/// How long a server that does not answer, or breaks every watch, is put up with.
struct WatchPatience {
    private var failures = 0
    private var since: ContinuousClock.Instant?
    private var openedAt: ContinuousClock.Instant?

    /// The longest time without a watch that holds.
    static let longest: Duration = .seconds(60)
    /// How long a watch must have held to count.
    static let proof: Duration = .seconds(5)

    /// A watch has begun.
    mutating func opened(now: ContinuousClock.Instant = .now) { openedAt = now }

    /// Whether the last watch has just begun.
    func isBrief(now: ContinuousClock.Instant = .now) -> Bool { openedAt.map { now - $0 < .seconds(1) } ?? true }

    /// How long to wait before trying again; nil when that is no use any more.
    mutating func failed(_ error: KubernetesFailure, now: ContinuousClock.Instant = .now) -> Duration? {
        let isPassing =
            error.isTransport || error.isGone || (error.status?.code ?? 0) >= 500 || error.status?.code == 429
        guard isPassing else { return nil }
        if let openedAt, now - openedAt >= Self.proof { self = WatchPatience() }
        openedAt = nil
        let start = since ?? now
        since = start
        guard now - start < Self.longest else { return nil }
        failures += 1
        return .milliseconds(min(100 << min(failures, 5), 2000))
    }
}
