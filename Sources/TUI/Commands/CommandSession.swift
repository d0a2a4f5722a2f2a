// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import CTerminal
import Core
import NIOCore

/// What a command works with: the server it was pointed to, and where its results go.
struct CommandSession: Sendable {
    /// What flags say about the server.
    let flags: ConnectionFlags
    /// How results look.
    let settings: OutputSettings
    /// The process's environment.
    let environment: [String: String]
    /// Where results go.
    let output = RawOutput()
    /// How long the goodbye to the server may take.
    private static let farewell: Duration = .milliseconds(200)

    /// A session; see the properties.
    init(flags: ConnectionFlags, settings: OutputSettings, environment: [String: String]) {
        self.flags = flags
        self.settings = settings
        self.environment = environment
    }

    /// Connects to the server that flags, environment and contexts name, and runs `body` with the client.
    func withClient<Value: Sendable>(
        reconnect: OperatorClient.Reconnect = .never,
        _ body: @escaping @Sendable (OperatorClient) async throws(DeployError) -> Value
    ) async throws(DeployError) -> Value {
        let target = try TargetResolver(environment: environment).resolve(flags)
        return try await Self.withClient(OperatorClient(target, reconnect: reconnect), body)
    }

    /// Runs a client for as long as `body` takes, and says goodbye.
    static func withClient<Value: Sendable>(
        _ client: OperatorClient, _ body: @escaping @Sendable (OperatorClient) async throws(DeployError) -> Value
    ) async throws(DeployError) -> Value {
        typealias Outcome = Result<Value, DeployError>
        let outcome = await withTaskGroup(of: Outcome?.self, returning: Outcome.self) { group in
            group.addTask {
                await client.run()
                return nil
            }
            group.addTask {
                do throws(DeployError) {
                    return .success(try await body(client))
                } catch {
                    return .failure(error)
                }
            }
            var outcome: Outcome?
            while outcome == nil, let next = await group.next() { outcome = next }
            client.close()
            group.addTask {
                try? await Task.sleep(for: farewell)
                return nil
            }
            _ = await group.next()
            group.cancelAll()
            return outcome ?? .failure(DeployError(.unavailable, "given up"))
        }
        return try outcome.get()
    }

    // MARK: results

    /// Terminal columns of standard output; nil when it is not a terminal.
    var terminalWidth: Int? {
        guard settings.outputIsTerminal else { return nil }
        var columns: Int32 = 0
        var rows: Int32 = 0
        return ct_window_size(1, &columns, &rows) && columns > 0 ? Int(columns) : nil
    }

    /// Writes a list: a table, a JSON array, JSON lines, or with `quiet` one key a line.
    func show<Item: Encodable>(
        _ items: [Item], columns: [TablePrinter.Column], key: (Item) -> String, row: (Item) -> [TableCell]
    ) async throws(DeployError) {
        switch settings.format {
        case .json: try await print(try JSONPrinter.pretty(items))
        case .jsonl:
            for item in items { try await print(try JSONPrinter.line(item)) }
        case .table where settings.quiet:
            for item in items { try await print(Sanitizer.line(key(item))) }
        case .table:
            let printer = TablePrinter(columns: columns, color: settings.color, width: terminalWidth)
            try await output.write(printer.text(items.map(row)), to: .output)
        }
    }

    /// Writes one object: names and values, JSON, or with `quiet` its key.
    func show(
        _ object: some Encodable, key: String, facts: [(name: String, value: TableCell?)]
    ) async throws(DeployError) {
        switch settings.format {
        case .json: try await print(try JSONPrinter.pretty(object))
        case .jsonl: try await print(try JSONPrinter.line(object))
        case .table where settings.quiet: try await print(Sanitizer.line(key))
        case .table:
            let known = facts.compactMap { fact in fact.value.map { (fact.name, $0) } }
            try await output.write(FactsPrinter(color: settings.color).text(known), to: .output)
        }
    }

    /// Writes one line to standard output.
    func print(_ line: String) async throws(DeployError) { try await output.write(line + "\n", to: .output) }

    /// Writes a note to standard error, unless `quiet` or results are JSON.
    func note(_ text: String) async throws(DeployError) {
        guard !settings.quiet, settings.format == .table else { return }
        try await output.write(Diagnostics.note(text), to: .error)
    }

    /// Writes an error to standard error, whatever happens.
    static func report(_ error: DeployError, format: OutputFormat) {
        try? RawOutput.writeNow(ByteBuffer(string: Diagnostics.text(error, format: format)), to: 2)
    }
}
