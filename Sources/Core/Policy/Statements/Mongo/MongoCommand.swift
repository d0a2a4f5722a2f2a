// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

/// One database command of a task's text, read once for the guard and for the agent, so that both mean the same.
public struct MongoCommand: Sendable, Hashable {
    /// What it is: the name of its first member.
    public let name: String
    /// What it names, such as a collection; empty when it names none.
    public let target: String
    /// The database it names itself, in `$db`.
    public let database: String?
    /// The mode of `$readPreference`, such as `secondary`.
    public let readPreference: String?
    /// The command as extended JSON, in the order it was written, without `$db` and `$readPreference`.
    public let text: String

    /// The commands of a text, in their order. Throws `invalid_argument`, saying where it cannot be read.
    public static func parse(_ text: String) throws(DeployError) -> [MongoCommand] {
        var commands: [MongoCommand] = []
        do {
            for (node, position) in try nodes(Array(text.utf8)) { commands.append(try MongoCommand(node, position)) }
        } catch {
            throw DeployError(.invalidArgument, "\(error.message) (at byte \(error.position))")
        }
        guard !commands.isEmpty else { throw DeployError(.invalidArgument, "there is no command") }
        return commands
    }

    /// The values of a text, and where each begins.
    static func nodes(_ bytes: [UInt8]) throws(JSONTextError) -> [(node: JSONNode, position: Int)] {
        var text = JSONText(bytes[...])
        var nodes: [(node: JSONNode, position: Int)] = []
        while true {
            let position = text.start()
            guard let node = try text.next() else { return nodes }
            nodes.append((node, position))
        }
    }

    init(_ node: JSONNode, _ position: Int) throws(JSONTextError) {
        guard let members = node.members, let first = members.first, first.name != "$db",
            first.name != "$readPreference"
        else {
            throw JSONTextError(
                position: position, message: "a command is an object whose first member names it")
        }
        if let reserved = members.first(where: { Self.reserved.contains($0.name) }) {
            throw JSONTextError(
                position: reserved.position,
                message:
                    "\(reserved.name) belongs to the client; sessions and transactions of one's own are not supported")
        }
        name = first.name
        target = first.value.text ?? ""
        switch node["$db"] {
        case nil: database = nil
        case .string(let text): database = text
        default: throw JSONTextError(position: position, message: "$db is not the name of a database")
        }
        switch node["$readPreference"] {
        case nil: readPreference = nil
        case .object(let members):
            guard members.count == 1, members[0].name == "mode", let mode = members[0].value.text,
                Self.modes.contains(mode)
            else { fallthrough }
            readPreference = mode
        default:
            throw JSONTextError(
                position: position,
                message: "$readPreference is not {\"mode\": MODE} with one of \(Self.modes.joined(separator: ", "))")
        }
        text = JSONNode.object(members.filter { $0.name != "$db" && $0.name != "$readPreference" }).compact
    }

    private static let reserved: Set<String> = [
        "lsid", "txnNumber", "startTransaction", "autocommit", "$clusterTime",
    ]

    private static let modes = ["primary", "primaryPreferred", "secondary", "secondaryPreferred", "nearest"]
}
