// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import CMongo
import Core
import NIOCore
import Synchronization

/// The commands of one task, run in order on one connection, on a thread that may wait.
struct MongoWork: Sendable {
    /// A command, and how it is sent.
    struct Step: Sendable {
        var command: MongoCommand
        var document: BSONDocument
        var database: String
    }

    /// What came of it.
    struct Report: Sendable {
        var facts: [String: JSONValue]
        var failure: TaskFailure?
    }

    /// What to do.
    let steps: [Step]
    /// Where output goes, and how.
    let context: ExecutionContext
    /// What the server's own lists show of our operations.
    let comment: String
    /// When the task's time is over; nil for never.
    let deadline: ContinuousClock.Instant?
    /// Set when it is to end before the next command or document.
    let stop = StopFlag()

    /// Documents that are asked for at once, unless the command says it.
    private static let batch: Int64 = 1000
    /// Errors of single items that are shown.
    private static let shownErrors = 100
    /// A server's own limit on time comes after the runner's, which says so in its own words.
    private static let slack: Duration = .seconds(1)

    /// Reads the commands of a task; throws `start_failed` naming the command that is wrong.
    static func steps(_ text: String, database: String?) throws(DeployError) -> [Step] {
        var steps: [Step] = []
        for command in try MongoCommand.parse(text) {
            let place = "command \(steps.count + 1) (\(command.title))"
            guard let database = command.database ?? database, !database.isEmpty else {
                throw DeployError(
                    .startFailed, "\(place) names no database",
                    hint: "give --database, \"$db\" in the command, or database in the datasource")
            }
            do throws(DeployError) {
                steps.append(Step(command: command, document: try BSONDocument(json: command.text), database: database))
            } catch { throw DeployError(.startFailed, "\(place) is \(error.message)") }
        }
        return steps
    }

    /// Runs them until one fails.
    func perform(_ connection: MongoConnection) -> Report {
        var tally = MongoTally()
        let isTable = context.parameters.text("format") != "jsonl"
        var documents = MongoDocuments(
            RowWriter(context), isTable: isTable, canonical: context.parameters.flag("canonical"))
        let began = ContinuousClock.now
        var failure: TaskFailure?
        for (index, step) in steps.enumerated() where failure == nil && !stop.isSet {
            if steps.count > 1 { documents.remark("\(index > 0 ? "\n" : "")[\(index + 1)] \(step.command.title)") }
            do throws(MongoFailure) {
                try run(step, connection, &documents, &tally)
                tally.commands += 1
            } catch {
                let place = "command \(index + 1) of \(steps.count) (\(step.command.title)) failed"
                failure = TaskFailure(.taskFailed, "\(place): \(error.sentence)")
            }
        }
        var facts = tally.facts
        facts["duration_ms"] = .integer(Int64((ContinuousClock.now - began) / .milliseconds(1)))
        return Report(facts: facts, failure: failure)
    }

    private func run(
        _ step: Step, _ connection: MongoConnection, _ documents: inout MongoDocuments, _ tally: inout MongoTally
    ) throws(MongoFailure) {
        let mode = step.command.readPreference.flatMap { Self.modes[$0] } ?? MONGOC_READ_PRIMARY
        let (reply, server) = try connection.run(prepared(step, connection), on: step.database, mode: mode)
        let summary = tally.take(reply, of: step.command.name)
        let problems = MongoProblems(reply)
        if reply.document("cursor")?.has("firstBatch") == true {
            let batch = step.document.integer("batchSize") ?? step.document.document("cursor")?.integer("batchSize")
            let cursor = connection.cursor(
                reply, server: server, batch: batch.flatMap { $0 > 0 ? $0 : nil } ?? Self.batch,
                comment: connection.wireVersion >= 9 ? comment : nil)
            try read(cursor, &documents, &tally)
        } else if context.parameters.text("format") == "jsonl" || summary == nil {
            documents.reply(reply)
        }
        if let summary { documents.remark(summary) }
        if let sentence = problems.sentence {
            show(problems.lines)
            throw MongoFailure(message: sentence)
        }
    }

    /// The command as it is sent: with what lets it be found at the server, and with the server's own limit on time.
    private func prepared(_ step: Step, _ connection: MongoConnection) -> BSONDocument {
        let document = BSONDocument(copying: step.document.pointer)
        let takesComment = connection.wireVersion >= 9 || ["find", "aggregate"].contains(step.command.name)
        if takesComment, !document.has("comment") { document.append("comment", comment) }
        if let deadline, step.command.name != "getMore", !document.has("maxTimeMS") {
            let left = ContinuousClock.now.duration(to: deadline) + Self.slack
            document.append("maxTimeMS", Int64(min(max(left / .milliseconds(1), 1), 2e9)))
        }
        return document
    }

    private func read(
        _ cursor: MongoCursor, _ documents: inout MongoDocuments, _ tally: inout MongoTally
    ) throws(MongoFailure) {
        documents.begin()
        var more = false
        var problem: MongoFailure?
        while !stop.isSet {
            var isOver = false
            do throws(MongoFailure) {
                let step = try cursor.next { document in isOver = !documents.add(document) }
                if step == .end { break }
                if step == .nothing { documents.settle() }
            } catch {
                problem = error
                break
            }
            if isOver {
                more = true
                break
            }
        }
        documents.end(more: more)
        tally.documents += documents.shown
        if more { tally.isTruncated = true }
        documents.remark("(\(documents.shown) document\(documents.shown == 1 ? "" : "s"))")
        if let problem { throw problem }
    }

    private func show(_ lines: [String]) {
        var text = lines.prefix(Self.shownErrors).joined(separator: "\n") + "\n"
        if lines.count > Self.shownErrors { text += "... and \(lines.count - Self.shownErrors) more errors\n" }
        LogOutput(context.log).write(ByteBuffer(string: text), to: .stderr)
    }

    private static let modes: [String: mongoc_read_mode_t] = [
        "primary": MONGOC_READ_PRIMARY, "primaryPreferred": MONGOC_READ_PRIMARY_PREFERRED,
        "secondary": MONGOC_READ_SECONDARY, "secondaryPreferred": MONGOC_READ_SECONDARY_PREFERRED,
        "nearest": MONGOC_READ_NEAREST,
    ]
}

extension MongoCommand {
    /// What it is called in messages: `insert orders`.
    fileprivate var title: String {
        target.isEmpty ? String(name.prefix(64)) : "\(name.prefix(64)) \(target.prefix(64))"
    }
}

/// A wish to stop, seen from any thread.
final class StopFlag: Sendable {
    private let state = Mutex(false)
    var isSet: Bool { state.withLock { $0 } }
    func set() { state.withLock { $0 = true } }
}
