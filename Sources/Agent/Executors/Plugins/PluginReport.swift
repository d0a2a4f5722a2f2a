// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import NIOCore

/// What a plugin says about one task, brought into its log and its end.
actor PluginReport {
    private let output: LogOutput
    private let note: @Sendable (String) -> Void
    private var rows: RowWriter
    private var columns: [PluginMessage.Column] = []
    private var rowCount: Int64 = 0
    private var noted: ContinuousClock.Instant?
    private var end: Result<[String: JSONValue], PluginError>?

    /// How the plugin says that it failed.
    struct PluginError: Error, Equatable {
        var failure: TaskFailure
    }

    /// Progress is told at most this often.
    private static let pause: Duration = .seconds(1)

    /// - Parameters:
    ///   - output: Where output and rows go.
    ///   - parameters: May hold `format` and `max_rows`, as for built-in executors.
    ///   - note: Takes lines of our own.
    init(_ output: LogOutput, _ parameters: TaskParameters, note: @escaping @Sendable (String) -> Void) {
        self.output = output
        self.note = note
        rows = RowWriter(
            output.unwaiting, format: parameters.text("format").flatMap(RowWriter.Format.init) ?? .table,
            limit: parameters.integer("max_rows") ?? 10_000)
    }

    /// What it said about the end; nil when it did not.
    var ending: Result<[String: JSONValue], PluginError>? { end }

    /// Rows that came.
    var count: Int64 { rowCount + rows.count }

    /// Takes a message; waits while the log takes no more.
    func hear(_ message: PluginMessage) async -> PluginProcess.Heard {
        switch message {
        case .log(let stream, let bytes): await output.send(bytes, to: stream)
        case .columns(let columns):
            finish()
            begin(columns)
        case .row(let values):
            guard values.count == columns.count, !columns.isEmpty else {
                return .wrong("a row of \(values.count) values for \(columns.count) columns")
            }
            write(values)
        case .namedRow(let members):
            if columns.isEmpty { begin(members.keys.sorted().map { .init(name: $0, kind: .text) }) }
            guard !columns.isEmpty, members.keys.allSatisfy({ key in columns.contains { $0.name == key } }) else {
                return .wrong("a row with members that are no columns")
            }
            write(columns.map { members[$0.name] ?? .null })
        case .progress(let text, let done, let total): tell(text, done, total)
        case .result(let result):
            finish()
            end = .success(result)
        case .error(let code, let message):
            finish()
            end = .failure(PluginError(failure: TaskFailure(code: code, message: message)))
        case .schema: return .wrong("a schema in place of a task's output")
        }
        await output.room()
        return end == nil ? .more : .enough
    }

    /// Nothing more comes: what is held back is written.
    func finish() {
        guard !columns.isEmpty else { return }
        rows.end()
        rowCount += rows.count
        columns = []
        rows.begin([])
    }

    // MARK: Rows

    private func begin(_ columns: [PluginMessage.Column]) {
        self.columns = columns
        rows.begin(columns.map { RowWriter.Column(name: $0.name, kind: $0.kind) })
    }

    private func write(_ values: [JSONValue]) {
        guard rows.beginRow() else { return }
        for (value, column) in zip(values, columns) { field(value, column.kind) }
        rows.endRow()
        rows.flush()
    }

    private func field(_ value: JSONValue, _ kind: RowKind) {
        switch value {
        case .null: rows.field(String?.none)
        case .bool(let flag): rows.field(flag ? "true" : "false", as: .boolean)
        case .integer, .number: rows.field(value.text, as: .number)
        case .string(let text): rows.field(text, as: kind == .decimal ? .decimal : .text)
        case .array: rows.field(value.text, as: .json)
        case .object(let members):
            if members.count == 1, let bytes = members["base64"]?.stringValue.flatMap({ Base64.decode($0) }) {
                bytes.withUnsafeBytes { rows.field($0, as: .binary) }
            } else {
                rows.field(value.text, as: .json)
            }
        }
    }

    // MARK: Progress

    private func tell(_ text: String?, _ done: Double?, _ total: Double?) {
        let now = ContinuousClock.now
        if let noted, now - noted < Self.pause { return }
        noted = now
        var parts: [String] = []
        if let done { parts.append(Self.plain(done) + (total.map { " of \(Self.plain($0))" } ?? " done")) }
        if let text { parts.append(text) }
        if !parts.isEmpty { note("tiangong: " + parts.joined(separator: ", ")) }
    }

    private static func plain(_ number: Double) -> String {
        Int64(exactly: number).map { String($0) } ?? String(number)
    }
}
