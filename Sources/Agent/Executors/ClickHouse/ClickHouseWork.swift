// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import AsyncHTTPClient
import Core
import NIOCore
import NIOHTTP1
import Synchronization

/// The statements of one task, sent one after the other, each as a request of its own.
final class ClickHouseWork: Sendable {
    private let source: ClickHouseDatasource
    private let statements: [SQLStatement]
    private let context: ExecutionContext
    private let query: [(name: String, value: String)]
    private let running = Mutex(Running())
    private let began = ContinuousClock.now

    private struct Running {
        /// The id of the statement that the server has, and when it got it.
        var query: (id: String, number: Int, since: ContinuousClock.Instant)?
        var isStopped = false
    }

    /// How often a statement is asked to stop, and how long one runs before its progress is told.
    private static let repetition: Duration = .milliseconds(250)
    private static let firstProgress: Duration = .seconds(2)
    private static let lastProgress: Duration = .seconds(60)

    init(_ statements: [SQLStatement], _ source: ClickHouseDatasource, _ context: ExecutionContext) {
        self.source = source
        self.statements = statements
        self.context = context
        var query = [(name: "default_format", value: ClickHouseFormat.rows)]
        if let database = context.parameters.text("database") ?? source.database {
            query.append(("database", database))
        }
        // What one statement sets holds for the next.
        if statements.count > 1 { query += [("session_id", Self.id(context)), ("session_timeout", "60")] }
        for (name, value) in context.parameters.pairs("settings").sorted(by: { $0.key < $1.key }) {
            if case .text(let text) = value { query.append((name, text)) }
        }
        self.query = query
    }

    private static func id(_ context: ExecutionContext) -> String {
        "tiangong-\(context.reference.taskID.rawValue)-\(context.reference.attempt)"
    }

    /// Runs them to the first that fails.
    ///
    /// Throws `start_failed` when the server does not take the first at all.
    func run() async throws(DeployError) -> ExecutionOutcome {
        var report = ClickHouseReport(total: statements.count)
        for (index, statement) in statements.enumerated() {
            let id = "\(Self.id(context))-\(index + 1)"
            let start = ContinuousClock.now
            let isStopped = running.withLock { running in
                running.query = (id, index + 1, start)
                return running.isStopped
            }
            if isStopped {
                report.fail(index, DeployError(.canceled, "it was not begun"), query: id)
                break
            }
            do throws(DeployError) {
                let answer = try await perform(statement, id)
                running.withLock { $0.query = nil }
                if let exception = answer.exception {
                    if index == 0, exception.errorCode == .unauthenticated {
                        throw DeployError(
                            .startFailed, "\(source.server.url): \(exception.message)",
                            hint: "check user and the secret of the password")
                    }
                    report.fail(index, exception, query: id)
                    break
                }
                report.add(statement.head, answer.counts, query: id, duration: .now - start)
            } catch {
                let isStopped = running.withLock { running in
                    running.query = nil
                    return running.isStopped
                }
                if error.code == .startFailed { throw error }
                let late = DeployError(.canceled, "the server did not stop it in time, and may go on with it")
                report.fail(index, isStopped && error.code == .canceled ? late : error, query: id)
                break
            }
        }
        return ExecutionOutcome(error: report.error, result: report.result(duration: .now - began))
    }

    // MARK: One statement

    private struct Answer {
        var counts = ClickHouseReport.Counts()
        var exception: ClickHouseException?
    }

    private func perform(_ statement: SQLStatement, _ id: String) async throws(DeployError) -> Answer {
        let response = try await source.send(
            statement.text(in: context.spec.command), query: query + [("query_id", id)], secrets: context.secrets)
        guard response.status == .ok else {
            let body = try await source.server.start(of: response.body)
            return Answer(exception: ClickHouseException(status: response.status.code, body: String(buffer: body)))
        }
        let tag = response.headers.first(name: "X-ClickHouse-Exception-Tag")
        var answer: Answer
        if ClickHouseFormat.isRows(statement, said: response.headers.first(name: "X-ClickHouse-Format")) {
            answer = try await rows(response, statement, tag)
        } else {
            answer = try await raw(response, tag)
        }
        if let summary = response.headers.first(name: "X-ClickHouse-Summary") {
            let facts = (try? JSONValue(text: summary))?.objectValue ?? [:]
            func number(_ name: String) -> Int64? { facts[name]?.stringValue.flatMap { Int64($0) } }
            // It is written before the rows are: what a query reads is not yet known then.
            if statement.head == "INSERT" {
                answer.counts.written = number("written_rows")
                answer.counts.read = number("read_rows")
            }
        }
        return answer
    }

    /// Whether what the server still sends is let go of: one that waits for us to read cannot stop.
    private var isStopped: Bool { running.withLock { $0.isStopped } }

    private func rows(
        _ response: HTTPClientResponse, _ statement: SQLStatement, _ tag: String?
    ) async throws(DeployError) -> Answer {
        let isJSON = context.parameters.text("format") == RowWriter.Format.jsonl.rawValue
        var rows = ClickHouseRows(
            RowWriter(context, waits: false), tag: tag, hasTotals: ClickHouseFormat.hasTotals(statement),
            isJSON: isJSON)
        var answer = Answer()
        do throws(DeployError) {
            if running.withLock({ $0.query?.number ?? 1 }) > 1 { rows.remark("") }
            var iterator = response.body.makeAsyncIterator()
            while let part = try await source.server.next(&iterator) {
                if isStopped { rows.leaveRest() }
                try rows.take(part)
                await rows.send()
            }
            answer.exception = try rows.end()
        } catch {
            // A server that has failed may end its answer in the middle.
            answer.exception = try? rows.end()
            if answer.exception == nil {
                await rows.send()
                throw error
            }
        }
        if !rows.isEmpty { answer.counts.rows = rows.count }
        if rows.isEmpty, answer.exception == nil { rows.remark("\(statement.head): done") }
        await rows.send()
        return answer
    }

    private func raw(_ response: HTTPClientResponse, _ tag: String?) async throws(DeployError) -> Answer {
        let output = LogOutput(context.log)
        var raw = ClickHouseRaw(tag: tag)
        do throws(DeployError) {
            var iterator = response.body.makeAsyncIterator()
            while let part = try await source.server.next(&iterator) {
                raw.take(part)
                if !isStopped { await output.send(part) }
            }
        } catch {
            guard let exception = raw.exception else { throw error }
            return Answer(exception: exception)
        }
        return Answer(exception: raw.exception)
    }

    // MARK: Beside it

    /// Asks the server to stop what it does, until it has.
    func stop() async {
        running.withLock { $0.isStopped = true }
        while !Task.isCancelled, let query = running.withLock({ $0.query }) {
            // The statement may be on its way still: then there is nothing to be stopped yet.
            _ = try? await source.ask("KILL QUERY WHERE query_id = '\(query.id)' ASYNC", secrets: context.secrets)
            try? await Task.sleep(for: Self.repetition)
        }
    }

    /// Says now and then how far a long statement has come, until it is canceled.
    func tellProgress() async {
        var wait = Self.firstProgress
        var known = 0
        while (try? await Task.sleep(for: .milliseconds(500))) != nil {
            guard let query = running.withLock({ $0.query }) else { continue }
            if query.number != known {
                known = query.number
                wait = Self.firstProgress
            }
            guard ContinuousClock.now - query.since >= wait else { continue }
            wait = ContinuousClock.now - query.since + min(wait, Self.lastProgress)
            if let progress = await progress(query.id) {
                context.log.note("tiangong: statement \(query.number): \(progress)")
            }
        }
    }

    private func progress(_ id: String) async -> String? {
        let question =
            "SELECT read_rows, total_rows_approx, round(elapsed) FROM system.processes WHERE query_id = '\(id)' "
            + "ORDER BY elapsed DESC LIMIT 1"
        guard let text = try? await source.ask(question, secrets: context.secrets) else { return nil }
        let fields = text.split(separator: "\n").first?.split(separator: "\t") ?? []
        guard fields.count == 3, let read = UInt64(fields[0]), let total = UInt64(fields[1]),
            let seconds = Double(fields[2])
        else { return nil }
        let of = total > read ? " of about \(total)" : ""
        return "\(read)\(of) rows read after \(Int64(min(max(seconds, 0), 1e12))) s"
    }
}

/// In which format a statement's result comes.
enum ClickHouseFormat {
    /// What is asked for where the statement asks for nothing.
    static let rows = "TabSeparatedWithNamesAndTypes"

    /// Whether a result is in that format.
    ///
    /// - Parameters:
    ///   - statement: The statement, which may ask for another.
    ///   - said: What the server says, if it does.
    static func isRows(_ statement: SQLStatement, said: String?) -> Bool {
        if let said { return said == rows }
        return format(statement).map { $0 == rows.uppercased() } ?? true
    }

    /// The format that a statement asks for, in capitals.
    static func format(_ statement: SQLStatement) -> String? {
        let tokens = statement.tokens
        for index in tokens.indices.reversed() where statement.isWord(index, "FORMAT") && index > 0 {
            guard index + 1 < tokens.count, tokens[index + 1].kind == .word else { continue }
            let before = tokens[index - 1]
            // A column may be called so.
            if before.kind == .symbol, before.text != ")" { continue }
            if before.kind == .word, ["SELECT", "AS", "BY", "AND", "OR", "NOT", "WHERE"].contains(before.text) {
                continue
            }
            let isLast = index + 2 == tokens.count || statement.isWord(index + 2, "SETTINGS")
            if isLast || statement.head == "INSERT" { return tokens[index + 1].text }
        }
        return nil
    }

    /// Whether a statement asks for totals.
    static func hasTotals(_ statement: SQLStatement) -> Bool {
        statement.tokens.indices.contains { statement.isWord($0, "WITH") && statement.isWord($0 + 1, "TOTALS") }
    }
}
