// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Synchronization

/// The selector of a workload, as text for a query.
struct LabelSelector: Sendable, Equatable {
    /// Empty when it selects nothing in particular.
    let text: String

    /// - Parameter node: `{matchLabels, matchExpressions}`, or plain labels as replication controllers and services have.
    init(_ node: JSONNode) {
        let isPlain = node["matchLabels"] == nil && node["matchExpressions"] == nil
        let labels = (isPlain ? node : node["matchLabels"])?.members ?? []
        var parts = labels.compactMap { member in member.value.text.map { "\(member.name)=\($0)" } }
        for expression in node["matchExpressions"]?.elements ?? [] {
            guard let key = expression["key"]?.text else { continue }
            let values = (expression["values"]?.elements ?? []).compactMap(\.text).joined(separator: ",")
            switch expression["operator"]?.text {
            case "In": parts.append("\(key) in (\(values))")
            case "NotIn": parts.append("\(key) notin (\(values))")
            case "Exists": parts.append(key)
            case "DoesNotExist": parts.append("!\(key)")
            default: break
            }
        }
        text = parts.joined(separator: ",")
    }
}

/// The last of several texts, so that one is not written twice.
final class LastText: Sendable {
    private let last = Mutex("")

    var text: String { last.withLock { $0 } }

    /// Whether it is another than the one before.
    func change(to text: String) -> Bool {
        last.withLock { last in
            defer { last = text }
            return last != text
        }
    }
}
