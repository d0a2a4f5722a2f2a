// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

/// Reads database commands of MongoDB and applies the rules whose ids start with `mongo.`.
struct MongoGuard {
    private var report = StatementReport()

    /// Where commands go that name no database themselves; nil where only the agent knows.
    private let database: String?

    private init(database: String?) { self.database = database }

    /// Reads one or more commands, each a JSON object whose first member names the command.
    ///
    /// - Parameters:
    ///   - bytes: The text.
    ///   - database: The database that the task names beside it.
    static func read(_ bytes: [UInt8], database: String? = nil) -> StatementReport {
        var reader = MongoGuard(database: database)
        do {
            for (node, start) in try MongoCommand.nodes(bytes) {
                do {
                    _ = try MongoCommand(node, start)
                } catch {
                    reader.report.add("mongo.syntax", error.position, error.message)
                }
                reader.report.statements.append(reader.canonical(node))
                reader.command(node, start)
            }
        } catch {
            return .unreadable("mongo.syntax", error.position, "not strict JSON: \(error.message)")
        }
        return reader.report
    }

    /// The command as policies see it: with the database that it will run on, where that is known.
    private func canonical(_ node: JSONNode) -> String {
        guard let database, let members = node.members, node["$db"] == nil else { return node.compact }
        return JSONNode.object(members + [JSONMember(name: "$db", value: .string(database))]).compact
    }

    private mutating func command(_ node: JSONNode, _ start: Int) {
        guard let members = node.members, let first = members.first else { return }
        if let rule = MongoNames.refused(first.name) {
            return report.add(rule, first.position, "\(first.name) is refused")
        }
        guard MongoNames.ordinary.contains(first.name) else {
            return report.add(
                "mongo.unknown", first.position, "'\(first.name.prefix(40))' is no command that is known to be harmless"
            )
        }
        for member in members where !(first.name == "insert" && member.name == "documents") {
            scan(member)
        }
        switch first.name {
        case "explain":
            guard let inner = first.value.members?.first else {
                return report.add("mongo.syntax", first.position, "explain names no command")
            }
            if !MongoNames.ordinary.contains(inner.name) { command(first.value, first.position) }
        case "delete": delete(node, first)
        case "update": update(node, first)
        case "findAndModify", "findandmodify":
            if node["remove"]?.isSet == true, Self.isOpen(node["query"] ?? .object([])) {
                report.add("mongo.delete-unfiltered", first.position, "removes whichever document comes first")
            }
        case "bulkWrite": bulk(node, first)
        case "createIndexes", "collMod": expiry(node, first)
        case "create" where node["expireAfterSeconds"] != nil:
            report.add("mongo.expire", first.position, "documents of this collection expire")
        case "profile" where first.value.value.map { $0 >= 0 } != false:
            report.add("mongo.settings", first.position, "profile changes a setting of the server")
        default: break
        }
        if Self.writes.contains(first.name) { target(node, first) }
    }

    private static let writes: Set<String> = [
        "insert", "update", "delete", "findAndModify", "findandmodify", "bulkWrite", "create", "createIndexes",
        "collMod",
    ]

    // MARK: Everywhere

    /// Looks for operators wherever the server may evaluate them.
    private mutating func scan(_ member: JSONMember) {
        if MongoNames.scripts.contains(member.name) {
            report.add("mongo.javascript", member.position, "\(member.name) runs JavaScript on the server")
        }
        if member.name == "$out" || member.name == "$merge" {
            report.add("mongo.out", member.position, "\(member.name) writes the result of a query")
        }
        scan(member.value)
    }

    private mutating func scan(_ node: JSONNode) {
        switch node {
        case .object(let members): for member in members { scan(member) }
        case .array(let elements): for element in elements { scan(element) }
        default: break
        }
    }

    private mutating func target(_ node: JSONNode, _ first: JSONMember) {
        let database = node["$db"]?.text ?? database ?? ""
        var names = [first.value.text ?? ""]
        for space in node["nsInfo"]?.elements ?? [] { names.append(space["ns"]?.text ?? "") }
        for name in names {
            let parts = name.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
            let inNamespace = first.name == "bulkWrite" && MongoNames.system.contains(String(parts[0]))
            let collection = first.name == "bulkWrite" ? String(parts.last ?? "") : name
            if inNamespace || collection.hasPrefix("system.") || collection == "$cmd" {
                report.add("mongo.system", first.position, "writes to \(name), which belongs to the server")
            }
        }
        if MongoNames.system.contains(database), first.name != "bulkWrite" {
            report.add("mongo.system", first.position, "writes to the database \(database) of the server itself")
        }
    }

    // MARK: Changes

    private mutating func delete(_ node: JSONNode, _ first: JSONMember) {
        guard let deletes = node["deletes"]?.elements else {
            return report.add("mongo.syntax", first.position, "delete without a list of deletes")
        }
        for item in deletes {
            guard let filter = item["q"], item["limit"] != nil else {
                report.add("mongo.syntax", first.position, "an item of deletes without q or limit")
                continue
            }
            if Self.isOpen(filter) {
                report.add(
                    "mongo.delete-unfiltered", first.position, "the filter of this delete lets every document through")
            }
        }
    }

    private mutating func update(_ node: JSONNode, _ first: JSONMember) {
        guard let updates = node["updates"]?.elements else {
            return report.add("mongo.syntax", first.position, "update without a list of updates")
        }
        for item in updates {
            guard let filter = item["q"], item["u"] != nil else {
                report.add("mongo.syntax", first.position, "an item of updates without q or u")
                continue
            }
            if item["multi"]?.isSet == true, Self.isOpen(filter) {
                report.add(
                    "mongo.update-unfiltered", first.position, "the filter of this update lets every document through")
            }
        }
    }

    private mutating func bulk(_ node: JSONNode, _ first: JSONMember) {
        guard let operations = node["ops"]?.elements else {
            return report.add("mongo.syntax", first.position, "bulkWrite without a list of ops")
        }
        for item in operations {
            let name = item.members?.first?.name ?? ""
            guard ["insert", "update", "delete"].contains(name) else {
                report.add("mongo.syntax", first.position, "an item of ops that is no insert, update or delete")
                continue
            }
            guard name != "insert", Self.isOpen(item["filter"] ?? .object([])) else { continue }
            if name == "delete" {
                report.add(
                    "mongo.delete-unfiltered", first.position, "a delete whose filter lets every document through")
            } else if item["multi"]?.isSet == true {
                report.add(
                    "mongo.update-unfiltered", first.position, "an update whose filter lets every document through")
            }
        }
    }

    private mutating func expiry(_ node: JSONNode, _ first: JSONMember) {
        let indexes = (node["indexes"]?.elements ?? []) + [node["index"] ?? .null, node]
        if indexes.contains(where: { $0["expireAfterSeconds"] != nil }) {
            report.add("mongo.expire", first.position, "expireAfterSeconds deletes what is older")
        }
    }

    // MARK: Filters

    /// Whether every document passes a filter, as far as that can be seen.
    static func isOpen(_ filter: JSONNode) -> Bool {
        guard let members = filter.members else { return filter == .null }
        return members.allSatisfy { isOpen($0) }
    }

    private static func isOpen(_ member: JSONMember) -> Bool {
        let elements = member.value.elements ?? []
        switch member.name {
        case "$comment", "$alwaysTrue": return true
        case "$and": return elements.allSatisfy { isOpen($0) }
        case "$or": return elements.contains { isOpen($0) }
        case "$nor": return elements.allSatisfy { $0["$alwaysFalse"] != nil }
        case "$expr":
            if let sides = member.value["$eq"]?.elements, sides.count == 2, sides[0] == sides[1] { return true }
            return !mentionsField(member.value) && !isFalse(member.value)
        case "$sampleRate": return member.value.value.map { $0 >= 1 } ?? false
        case "$where", "$text", "$jsonSchema": return member.value.members?.isEmpty ?? false
        default:
            guard let operators = member.value.members, !operators.isEmpty,
                operators.allSatisfy({ $0.name.hasPrefix("$") })
            else { return false }
            return operators.allSatisfy { passes($0, isID: member.name == "_id") }
        }
    }

    /// Whether every document passes a condition on one field.
    private static func passes(_ condition: JSONMember, isID: Bool) -> Bool {
        switch condition.name {
        case "$nin": return condition.value.elements?.isEmpty ?? false
        case "$exists": return isID && condition.value.isSet
        case "$ne": return isID && condition.value == .null
        case "$gt", "$gte": return condition.value["$minKey"] != nil
        case "$lt", "$lte": return condition.value["$maxKey"] != nil
        case "$not":
            guard let inner = condition.value.members, inner.count == 1 else { return false }
            return inner[0].name == "$in" && inner[0].value.elements?.isEmpty == true
                || (isID
                    && (inner[0].name == "$exists" && !inner[0].value.isSet
                        || inner[0].name == "$eq" && inner[0].value == .null))
        default: return false
        }
    }

    private static func mentionsField(_ node: JSONNode) -> Bool {
        switch node {
        case .string(let text): text.hasPrefix("$") && text != "$$NOW" && text != "$$CLUSTER_TIME"
        case .array(let elements): elements.contains(where: mentionsField)
        case .object(let members): members.contains { mentionsField($0.value) }
        default: false
        }
    }

    private static func isFalse(_ node: JSONNode) -> Bool {
        node == .bool(false) || node == .null || node.value == 0
    }
}
