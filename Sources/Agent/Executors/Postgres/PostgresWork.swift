// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import NIOCore

/// The statements of one task, run one after the other on a thread of their own.
final class PostgresWork: @unchecked Sendable {
    private let session: PostgresSession
    private let interrupt: PostgresInterrupt
    private let grace: @Sendable () -> Duration
    private let output: LogOutput
    private let usesTransaction: Bool
    private let isJSON: Bool
    private var rows: PostgresRows
    private var report: PostgresReport
    private let began = ContinuousClock.now

    /// How long statements of our own may take.
    private static let patience: Duration = .seconds(10)

    /// - Parameters:
    ///   - statements: What the task's command holds.
    ///   - session: Where they run.
    ///   - interrupt: Stops them.
    ///   - context: The task.
    init(
        _ statements: [SQLStatement], _ session: PostgresSession, _ interrupt: PostgresInterrupt,
        _ context: ExecutionContext
    ) {
        self.session = session
        self.interrupt = interrupt
        grace = context.grace
        output = LogOutput(context.log)
        usesTransaction = context.parameters.flag("transaction", default: true)
        isJSON = context.parameters.text("format") == RowWriter.Format.jsonl.rawValue
        rows = PostgresRows(RowWriter(context), output, session, isJSON: isJSON)
        report = PostgresReport(
            context.spec.command, statements, transaction: usesTransaction ? .rolledBack : .none)
    }

    /// Runs them; afterwards the session is as new or of no more use, which `reusable` says.
    func run() -> (outcome: ExecutionOutcome, isReusable: Bool) {
        session.connection.onNotice = { [unowned self] notice in
            report.add(notice)
            output.write(ByteBuffer(string: notice.text), to: .stderr)
        }
        perform()
        let outcome = ExecutionOutcome(error: report.error, result: report.result(duration: .now - began))
        // After a request to cancel nobody knows when it arrives: it must not find the next task.
        let isReusable = !interrupt.isStopped && session.reset(within: Self.patience, interrupt)
        session.connection.onNotice = nil
        return (outcome, isReusable)
    }

    private func perform() {
        do throws(PostgresFailure) {
            if isJSON { try session.learnArrays(within: Self.patience, interrupt) }
            if usesTransaction { try session.connection.run("BEGIN", within: Self.patience, interrupt) }
        } catch {
            return report.fail(PostgresReport.code(error), "no statement was run: \(error.message)")
        }
        for index in report.statements.indices where !statement(index) {
            if session.connection.isInTransaction {
                try? session.connection.run("ROLLBACK", within: Self.patience, interrupt)
            }
            return
        }
        finish()
    }

    /// Runs one of them; false when it failed.
    private func statement(_ index: Int) -> Bool {
        if interrupt.isStopped {
            report.fail(index, PostgresFailure(.stopped, "it was not begun"))
            return false
        }
        if let misreading = session.misreading {
            report.fail(.conflict, "statement \(index + 1) was not run: \(misreading)")
            return false
        }
        let start = ContinuousClock.now
        do throws(PostgresFailure) {
            let text = report.statements[index].text(in: report.source)
            let completion = try session.connection.run(
                text, into: &rows, interrupt: interrupt, patience: grace)
            rows.end(completion)
            report.add(completion, duration: .now - start)
            notifications()
            return true
        } catch {
            rows.end(nil)
            report.fail(index, error)
            return false
        }
    }

    private func notifications() {
        for (channel, payload) in session.connection.notifications() {
            output.write(ByteBuffer(string: "NOTIFY \(channel): \(payload)\n"), to: .stderr)
        }
    }

    private func finish() {
        guard usesTransaction else {
            guard session.connection.isInTransaction else { return }
            try? session.connection.run("ROLLBACK", within: Self.patience, interrupt)
            return report.fail(
                .conflict, "the statements left a transaction open, which was rolled back; end it with COMMIT")
        }
        if interrupt.isStopped {
            return report.fail(.canceled, "stopped before the transaction was committed; everything was rolled back")
        }
        report.transaction = .unknown
        do throws(PostgresFailure) {
            let completion = try session.connection.run(
                "COMMIT", into: &rows, interrupt: interrupt, asksToCancel: false, patience: grace)
            report.transaction = completion.tag == "COMMIT" ? .committed : .rolledBack
            if report.transaction == .rolledBack {
                report.failToCommit(PostgresFailure(.server, "the server rolled it back"))
            }
        } catch {
            if error.kind == .server, !error.isFatal { report.transaction = .rolledBack }
            report.failToCommit(error)
        }
    }
}
