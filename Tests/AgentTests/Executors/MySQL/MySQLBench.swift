// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import NIOCore
import Synchronization
import Testing

@testable import Agent

/// Plans of tasks for a datasource `main`.
enum MySQLBench {
    /// What a text and its parameters ask for; `goInception` is a mapping of YAML.
    static func plan(
        _ command: String, _ params: [String: JSONValue] = [:], user: String = "app", host: String = "10.1.2.3",
        goInception: String = ""
    ) throws -> MySQLPlan {
        let goInception = goInception.isEmpty ? "" : ", goinception: \(goInception)"
        let settings = try ExecutorSettings(
            yaml: "executors: {mysql: {host: \"\(host)\", user: \"\(user)\", database: shop\(goInception)}}")
        var node = try #require(settings.executors.first { $0.type == "mysql" }).node
        let spec = TaskSpec(type: "mysql", command: command, params: params)
        return try MySQLPlan(
            spec, try TaskParameters(spec, TaskType.mysql.schema), try MySQLDatasource("main", &node))
    }
}

/// Takes what is written.
final class TextSink: Sendable {
    private let text = Mutex("")
    var output: LogOutput { LogOutput(accept: { bytes, _ in self.text.withLock { $0 += String(buffer: bytes) } }) }
    var written: String { text.withLock { $0 } }
}
