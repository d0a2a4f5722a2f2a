// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

extension ExecutorSchema {
    /// A method and a path, with the body below.
    static let elasticsearch = ExecutorSchema(
        type: "elasticsearch", summary: "Sends a request to Elasticsearch.",
        command: Command(
            "request", "METHOD /path on the first line, the body below.", maximum: StatementGuard.maximumBytes),
        parameters: [
            .datasource(),
            ExecutorParameter(
                "format", .word, "How JSON is written: indented for people, or one line.", standard: .string("table"),
                words: ["table", "jsonl"]),
            ExecutorParameter(
                "export", .flag, "Write every document that a search finds, page by page.", standard: .bool(false)),
            ExecutorParameter(
                "max_rows", .integer, "Documents of an export written at most; then reading stops, and that is said.",
                standard: .integer(10_000), minimum: 0, maximum: 1e12),
            ExecutorParameter(
                "page_size", .integer, "Documents of an export that are asked for at once.", standard: .integer(1000),
                minimum: 1, maximum: 10_000),
            ExecutorParameter(
                "keep_alive", .duration, "How long the server keeps an export open between two pages.",
                standard: .number(60), minimum: 1, maximum: 86_400),
            ExecutorParameter(
                "retries", .integer, "How often what the server was too busy for is sent again.", standard: .integer(5),
                minimum: 0, maximum: 100),
        ])
}
