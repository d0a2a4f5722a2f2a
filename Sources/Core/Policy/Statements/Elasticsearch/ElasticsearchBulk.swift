// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

/// One item of a `_bulk` body: an action, and its source where the action has one.
public struct ElasticsearchBulkItem: Sendable {
    /// `index`, `create`, `update` or `delete`.
    public let kind: String
    /// Its one or two lines as they were written, without line ends.
    public let lines: [ArraySlice<UInt8>]
    /// What the action says, such as `_index`.
    let action: JSONNode
    let source: JSONNode?
}

extension ElasticsearchRequest {
    /// The items of a `_bulk` body; throws `invalid_argument`, saying where it cannot be read.
    public func bulkItems() throws(DeployError) -> [ElasticsearchBulkItem] {
        do {
            return try readBulk()
        } catch {
            throw DeployError(.invalidArgument, "\(error.message) (at byte \(error.position))")
        }
    }

    func readBulk() throws(JSONTextError) -> [ElasticsearchBulkItem] {
        var items: [ElasticsearchBulkItem] = []
        var open: (action: JSONMember, line: ArraySlice<UInt8>)?
        for line in body.split(separator: 0x0A)
        where !line.allSatisfy({ $0 == 0x20 || (0x09...0x0D).contains($0) }) {
            let node = try JSONText.parse(line)
            if let (action, first) = open {
                items.append(
                    ElasticsearchBulkItem(
                        kind: action.name, lines: [first, line], action: action.value, source: node))
                open = nil
                continue
            }
            guard let members = node.members, members.count == 1 else {
                throw JSONTextError(position: line.startIndex, message: "an item of _bulk is one action")
            }
            switch members[0].name {
            case "delete":
                items.append(
                    ElasticsearchBulkItem(kind: "delete", lines: [line], action: members[0].value, source: nil))
            case "index", "create", "update": open = (members[0], line)
            default: throw JSONTextError(position: line.startIndex, message: "an unknown action of _bulk")
            }
        }
        guard open == nil else {
            throw JSONTextError(position: body.endIndex, message: "the last item of _bulk has no source")
        }
        return items
    }
}
