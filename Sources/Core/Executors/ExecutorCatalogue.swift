// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

extension TaskType {
    /// What tasks of this type take.
    public var schema: ExecutorSchema {
        switch self {
        case .shell: .shell
        case .mysql: .mysql
        case .postgres: .postgres
        case .mongo: .mongo
        case .elasticsearch: .elasticsearch
        case .clickhouse: .clickhouse
        case .k8s: .k8s
        case .file: .file
        case .api: .api
        }
    }
}

extension ExecutorSchema {
    /// All that are built in, in the order of the manual.
    public static var builtIn: [ExecutorSchema] { TaskType.allCases.map(\.schema) }
}

extension ExecutorParameter {
    /// Names one of the agent's connections.
    static func datasource(_ help: String = "Which of the agent's datasources; needed when it has several.") -> Self {
        ExecutorParameter("datasource", .text, help, minimum: 1, maximum: 64)
    }

    /// How rows or documents are written.
    static let format = ExecutorParameter(
        "format", .word, "How rows are written: an aligned table, or one JSON object a line.",
        standard: .string("table"),
        words: ["table", "jsonl"])

    /// How many rows or documents are written at most.
    static let maxRows = ExecutorParameter(
        "max_rows", .integer, "Rows written at most; more are counted and said to be cut.", standard: .integer(10_000),
        minimum: 0, maximum: 1e12)
}
