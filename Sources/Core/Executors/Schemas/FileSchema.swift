// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

extension ExecutorSchema {
    /// Files below the agent's allowed directories; ``FileParameters`` reads it.
    static let file = ExecutorSchema(
        type: "file", summary: "Brings files to a host and back, and manages them there.",
        command: Command(
            "act", "put, fetch, delete, mkdir, stat or list, a blank, and an absolute path.", maximum: 8192),
        parameters: [
            ExecutorParameter(
                "files", .json, "What put brings: a list of {file_id, path, mode}, paths below the path."),
            ExecutorParameter("mode", .text, "Permissions in octal, such as 0644.", maximum: 5),
            ExecutorParameter("owner", .text, "The owner's account; the agent must run as root.", maximum: 64),
            ExecutorParameter("group", .text, "The group.", maximum: 64),
            ExecutorParameter("backup", .flag, "Keep what is replaced beside it, as NAME.TIME~."),
            ExecutorParameter("parents", .flag, "Make directories that are missing on the way."),
            ExecutorParameter("recursive", .flag, "With delete: directories too; with list: go down."),
            ExecutorParameter("missing_ok", .flag, "With delete: what is not there is no failure."),
            .format, .maxRows,
        ])
}
