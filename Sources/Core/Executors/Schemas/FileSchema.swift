// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

extension ExecutorSchema {
    /// Files below the agent's allowed directories.
    static let file = ExecutorSchema(
        type: "file", summary: "Brings files to a host, back from it, and manages them there.",
        command: Command("act", "An act and a path, such as stat /srv/app.", maximum: 8192), parameters: [])
}
