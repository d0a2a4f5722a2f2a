// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// The executors of this agent, by type.
struct ExecutorRegistry: Sendable {
    private let executors: [TaskType: any Executor]

    /// - Parameter executors: One per type; of two for one type the later counts.
    init(_ executors: [any Executor]) {
        self.executors = Dictionary(executors.map { (Swift.type(of: $0).type, $0) }) { _, later in later }
    }

    /// The types it can perform, as the Cloud is told.
    var types: [String] { executors.keys.map(\.rawValue).sorted() }

    /// The executor of a type; throws `unsupported` naming the types there are.
    func executor(for type: String) throws(DeployError) -> any Executor {
        guard let known = TaskType(rawValue: type), let executor = executors[known] else {
            throw DeployError(
                .unsupported, "this agent does not run tasks of type '\(type.prefix(64))'",
                hint: "it runs: \(types.joined(separator: ", "))")
        }
        return executor
    }
}
