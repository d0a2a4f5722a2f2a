// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import CMongo
import Core
import Glibc
import Logging

/// Finds the operations of one task in a server's list of what it does, and ends them.
struct MongoKiller: Sendable {
    /// What our commands carry.
    let comment: String
    /// The `lsid` of our session, which also marks commands that have a comment of their own.
    let session: BSONDocument?

    /// How long to wait between two looks.
    private static let pause: UInt32 = 50_000

    /// Looks once, ends what it finds, and waits for a moment.
    func pass(_ connection: MongoConnection, _ logger: Logger) {
        do throws(MongoFailure) {
            let (reply, _) = try connection.run(search, on: "admin")
            for operation in reply.documents("inprog", most: 100) {
                guard let kill = Self.kill(operation) else { continue }
                _ = try connection.run(kill, on: "admin")
            }
        } catch {
            if !connection.isAborted { logger.debug("killOp", metadata: ["reason": "\(error.sentence)"]) }
        }
        usleep(Self.pause)
    }

    /// `currentOp` for operations of our own account, which needs no right of its own.
    private var search: BSONDocument {
        let search = BSONDocument()
        search.append("currentOp", Int64(1))
        search.append("$ownOps", true)
        let marks = BSONDocument()
        for (index, name) in ["command.comment", "cursor.originatingCommand.comment"].enumerated() {
            let mark = BSONDocument()
            mark.append(name, comment)
            marks.append("\(index)", mark)
        }
        if let session {
            let mark = BSONDocument()
            let fields = BSONFields(session.pointer)
            if fields.find("id") { bson_append_iter(mark.pointer, "lsid.id", -1, fields.iterator) }
            marks.append("2", mark)
        }
        search.append("$or", array: marks)
        return search
    }

    /// `killOp` for an operation; its id is a number, or a text when the server is one of many.
    private static func kill(_ operation: BSONDocument) -> BSONDocument? {
        let fields = BSONFields(operation.pointer)
        guard fields.find("opid") else { return nil }
        let kill = BSONDocument()
        kill.append("killOp", Int64(1))
        bson_append_iter(kill.pointer, "op", -1, fields.iterator)
        return kill
    }
}
