// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import CMongo
import Core

/// What the commands of a task did, added up from what the server says.
struct MongoTally {
    var commands: Int64 = 0
    var documents: Int64 = 0
    var isTruncated = false
    private var inserted: Int64 = 0
    private var matched: Int64 = 0
    private var modified: Int64 = 0
    private var deleted: Int64 = 0
    private var upserted: Int64 = 0

    /// Adds the reply to one command, and says in a line what it changed; nil for commands of other kinds.
    mutating func take(_ reply: BSONDocument, of name: String) -> String? {
        func number(_ name: String) -> Int64 { max(0, reply.integer(name) ?? 0) }
        switch name {
        case "insert":
            inserted &+= number("n")
            return "inserted \(number("n"))"
        case "delete":
            deleted &+= number("n")
            return "deleted \(number("n"))"
        case "update":
            let new = Int64(reply.documents("upserted").count)
            let met = max(0, number("n") - new)
            matched &+= met
            modified &+= number("nModified")
            upserted &+= new
            return "matched \(met), modified \(number("nModified"))" + (new > 0 ? ", upserted \(new)" : "")
        case "bulkWrite":
            inserted &+= number("nInserted")
            matched &+= number("nMatched")
            modified &+= number("nModified")
            deleted &+= number("nDeleted")
            upserted &+= number("nUpserted")
            return "inserted \(number("nInserted")), matched \(number("nMatched")), modified \(number("nModified")), "
                + "upserted \(number("nUpserted")), deleted \(number("nDeleted"))"
        case "findAndModify", "findandmodify":
            findAndModify(reply)
            return nil
        default: return nil
        }
    }

    private mutating func findAndModify(_ reply: BSONDocument) {
        guard let last = reply.document("lastErrorObject"), let count = last.integer("n"), count > 0 else { return }
        if last.has("upserted") {
            upserted &+= 1
        } else if last.has("updatedExisting") {
            guard last.integer("updatedExisting") == 1 else { return }
            matched &+= 1
            modified &+= 1
        } else {
            deleted &+= 1
        }
    }

    /// As a task's result.
    var facts: [String: JSONValue] {
        var facts: [String: JSONValue] = [
            "commands": .integer(commands), "documents": .integer(documents), "inserted": .integer(inserted),
            "matched": .integer(matched), "modified": .integer(modified), "deleted": .integer(deleted),
            "upserted": .integer(upserted),
        ]
        if isTruncated { facts["truncated"] = .bool(true) }
        return facts
    }
}

/// What went wrong in a command to which the server still answered that it is done.
struct MongoProblems {
    /// All of it in one sentence; nil when nothing went wrong.
    private(set) var sentence: String?
    /// Each of it.
    private(set) var lines: [String] = []

    init(_ reply: BSONDocument) {
        var parts: [String] = []
        let items = reply.documents("writeErrors")
        if let first = items.first {
            lines = items.map(Self.line)
            parts.append("\(items.count) item\(items.count == 1 ? "" : "s") failed, first \(Self.line(first))")
        } else if let count = reply.integer("nErrors"), count > 0 {
            // bulkWrite: the errors are among the first documents of its cursor, as many as fit.
            let failed = (reply.document("cursor")?.documents("firstBatch") ?? []).filter { $0.integer("ok") == 0 }
            lines = failed.map(Self.line)
            parts.append(
                "\(count) item\(count == 1 ? "" : "s") failed" + (failed.first.map { ", first \(Self.line($0))" } ?? "")
            )
        }
        if let concern = reply.document("writeConcernError") {
            let line = "write concern: \(Self.reason(concern))"
            lines.append(line)
            parts.append(line)
        }
        if !parts.isEmpty { sentence = parts.joined(separator: "; ") }
    }

    private static func line(_ item: BSONDocument) -> String {
        "item \((item.integer("index") ?? item.integer("idx") ?? 0) &+ 1): \(reason(item))"
    }

    private static func reason(_ item: BSONDocument) -> String {
        let name = item.text("codeName").map { " \($0)" } ?? ""
        return "\(item.integer("code") ?? 0)\(name): \(item.text("errmsg") ?? "no reason given")"
    }
}
