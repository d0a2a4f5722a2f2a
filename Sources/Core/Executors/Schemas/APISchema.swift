// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

extension ExecutorSchema {
    /// One HTTP request, and what is expected of its answer.
    static let api = ExecutorSchema(
        type: "api", summary: "Sends an HTTP request and checks the answer.",
        command: Command("request", "METHOD URL.", maximum: 8192), parameters: [])
}
