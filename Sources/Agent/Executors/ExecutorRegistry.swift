// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// The executors of this agent, by type.
struct ExecutorRegistry: Sendable {
    /// What holds for all tasks of a type.
    struct Limits: Sendable {
        /// Tasks at once; nil when only the agent's own limit counts.
        var maxConcurrency: Int?
        /// Seconds a task may run; nil for no limit.
        var timeout: Double?
    }

    private let executors: [String: any Executor]
    private let limits: [String: Limits]

    /// - Parameters:
    ///   - executors: One per type; of two for one type the later counts.
    ///   - limits: What holds for all tasks of a type.
    init(_ executors: [any Executor], limits: [String: Limits] = [:]) {
        self.executors = Dictionary(executors.map { ($0.schema.type, $0) }) { _, later in later }
        self.limits = limits
    }

    /// The types it can perform, as the Cloud is told.
    var types: [String] { executors.keys.sorted() }

    /// What the Cloud is told beside the types: connections by name, and what plugins take.
    var details: [ExecutorReport] {
        executors.values.map { executor in
            let type = executor.schema.type
            return ExecutorReport(
                type: type, datasources: executor.datasources.sorted(),
                schema: TaskType(rawValue: type) == nil ? executor.schema : nil)
        }.sorted { $0.type < $1.type }
    }

    /// What holds for all tasks of a type.
    func limits(of type: String) -> Limits { limits[type] ?? Limits() }

    /// The executor of a type; throws `unsupported` naming the types there are.
    func executor(for type: String) throws(DeployError) -> any Executor {
        guard let executor = executors[type] else {
            throw DeployError(
                .unsupported, "this agent does not run tasks of type '\(type.prefix(64))'",
                hint: "it runs: \(types.joined(separator: ", "))")
        }
        return executor
    }

    /// Lets all of them go; see ``Executor/shutDown()``.
    func shutDown() async {
        for executor in executors.values { await executor.shutDown() }
    }
}
