// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

extension ExecutorSchema {
    /// A method and a path, with the body below.
    static let elasticsearch = ExecutorSchema(
        type: "elasticsearch", summary: "Sends a request to Elasticsearch.",
        command: Command(
            "request", "METHOD /path on the first line, the body below.", maximum: StatementGuard.maximumBytes),
        parameters: [.datasource(), .format, .maxRows])
}
