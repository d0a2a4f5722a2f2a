// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// Asks goInception how far it is with one request, over a connection of its own, and notes in the log what has changed.
struct GoInceptionProgress: Sendable {
    private let server: MySQLEndpoint
    private let password: [UInt8]?
    private let id: UInt
    private let log: LogPump

    /// How long after the beginning, and after each answer, it is asked.
    static let pause: Duration = .seconds(1)

    /// - Parameters:
    ///   - server: The goInception.
    ///   - password: The password for it.
    ///   - id: The connection that carries the request.
    ///   - log: Where notes go.
    init(_ server: MySQLEndpoint, _ password: [UInt8]?, of id: UInt, log: LogPump) {
        self.server = server
        self.password = password
        self.id = id
        self.log = log
    }

    /// Asks until the task that calls is canceled. Says once when that cannot be done: the request goes on without.
    func watch() async {
        guard await sleep() else { return }
        do throws(DeployError) {
            let connection = try await MySQLConnection.open(server, password: password)
            defer { close(connection) }
            var last: String?
            repeat {
                let line = try await WorkThread.run { () throws(DeployError) in
                    do throws(MySQLFailure) {
                        return Self.line(try connection.texts("inception show processlist", within: 5), of: id)
                    } catch { throw DeployError(.taskFailed, error.text) }
                } onCancel: {
                    connection.line.cut()
                }
                if let line, line != last { log.note("tiangong: goInception: \(line)") }
                last = line ?? last
            } while await sleep()
        } catch {
            if !Task.isCancelled { log.note("tiangong: goInception does not tell how far it is: \(error.message)") }
        }
    }

    private func sleep() async -> Bool { (try? await Task.sleep(for: Self.pause)) != nil }

    private func close(_ connection: MySQLConnection) {
        if !WorkThread.detach({ connection.close() }) { connection.close() }
    }

    /// What a list of processes says of one of them, in one line; nil when it is not in the list.
    static func line(_ list: (names: [String], rows: [[String?]]), of id: UInt) -> String? {
        let places = Dictionary(list.names.enumerated().map { ($1.lowercased(), $0) }) { first, _ in first }
        func value(_ name: String, _ row: [String?]) -> String? {
            places[name].flatMap { $0 < row.count ? row[$0] : nil }.flatMap { $0.isEmpty ? nil : $0 }
        }
        guard let row = list.rows.first(where: { value("id", $0) == String(id) }) else { return nil }
        let statement = value("info", row).map { text in
            String(text.prefix(100)).replacing("\n", with: " ")
        }
        return [value("state", row) ?? value("command", row), value("percent", row), statement].compactMap { $0 }
            .joined(separator: ", ")
    }
}
