// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// `events`: what happened in a namespace, or to one object, the newest last.
struct EventsVerb: KubernetesVerb {
    static let options: Set = ["for", "types", "all-namespaces", "no-headers"]

    private let subject: KubernetesStatement.Target?
    private let types: Set<String>
    private let isEverywhere: Bool
    private let hasHeaders: Bool

    /// The newest that are shown.
    private static let most = 10_000

    init(_ arguments: VerbArguments) throws(DeployError) {
        guard arguments.words.isEmpty else {
            throw DeployError(.invalidArgument, "events takes options only", hint: "events --for pod/web-1")
        }
        subject = try arguments.text("for").map { text throws(DeployError) in try arguments.single([text]) }
        types = Set((arguments.text("types") ?? "").split(separator: ",").map { $0.lowercased() })
        guard types.isSubset(of: ["normal", "warning"]) else {
            throw DeployError(.invalidArgument, "--types is Normal, Warning, or both")
        }
        isEverywhere = arguments.flag("all-namespaces")
        hasHeaders = !arguments.flag("no-headers")
    }

    private static let events = APIResource(
        group: "", version: "v1", name: "events", singular: "event", kind: "Event", isNamespaced: true)

    private struct Entry {
        var at: String
        var cells: [String]
    }

    func run(_ session: KubernetesSession) async throws(KubernetesFailure) -> ExecutionOutcome {
        var fields: [String] = []
        if let subject {
            let reference = try await session.reference(subject)
            fields = [
                "involvedObject.kind=\(reference.resource.kind)", "involvedObject.name=\(reference.name)",
            ]
        }
        let query = ObjectQuery(
            resource: Self.events, namespace: isEverywhere ? nil : session.namespace,
            fields: fields.joined(separator: ","))
        var entries: [Entry] = []
        try await session.client.pages(query) { page in
            for item in page["items"]?.elements ?? [] where types.isEmpty || types.contains(Self.type(item)) {
                entries.append(entry(item))
            }
            if entries.count > 2 * Self.most { entries = Self.newest(entries) }
        }
        entries = Self.newest(entries)
        var rows = RowWriter(session.output.unwaiting, format: .table, limit: .max, hasHeaders: hasHeaders)
        let names = (isEverywhere ? ["NAMESPACE"] : []) + ["LAST SEEN", "TYPE", "REASON", "OBJECT", "COUNT", "MESSAGE"]
        rows.begin(names.map { .init(name: $0, kind: $0 == "COUNT" ? .number : .text) })
        for entry in entries where rows.beginRow() {
            for cell in entry.cells { rows.field(cell) }
            rows.endRow()
            await session.output.room()
        }
        if entries.isEmpty { await session.complain("no events found") } else { rows.end() }
        await session.output.room()
        return ExecutionOutcome(result: ["count": .integer(Int64(entries.count))])
    }

    private static func type(_ event: JSONNode) -> String { event["type"]?.text?.lowercased() ?? "" }

    private static func newest(_ entries: [Entry]) -> [Entry] {
        Array(entries.sorted { $0.at < $1.at }.suffix(most))
    }

    private func entry(_ event: JSONNode) -> Entry {
        // Old and new components keep the time in different places.
        let times = [
            event.at("series", "lastObservedTime"), event["lastTimestamp"], event["eventTime"],
            event.at("metadata", "creationTimestamp"),
        ]
        let at = times.compactMap { $0?.text }.first ?? ""
        let object = event["involvedObject"] ?? .null
        let count = event.at("series", "count")?.integer ?? event["count"]?.integer ?? 1
        let cells =
            (isEverywhere ? [event.at("metadata", "namespace")?.text ?? ""] : []) + [
                at, event["type"]?.text ?? "", event["reason"]?.text ?? "",
                "\(object["kind"]?.text?.lowercased() ?? "")/\(object["name"]?.text ?? "")", "\(count)",
                event["message"]?.text ?? "",
            ]
        return Entry(at: at, cells: cells)
    }
}
