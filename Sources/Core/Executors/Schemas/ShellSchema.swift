// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

extension ExecutorSchema {
    /// Commands; ``ShellParameters`` reads them.
    static let shell = ExecutorSchema(
        type: "shell", summary: "Runs a command line with /bin/sh, or a program with its arguments.",
        command: Command("command", "A text for /bin/sh -c; for an argument vector how it looks.", required: false),
        parameters: [
            ExecutorParameter("argv", .list, "A program and its arguments; no shell is involved."),
            ExecutorParameter("cwd", .text, "The working directory, an absolute path."),
            ExecutorParameter("env", .pairs, "Variables added to the command's small environment."),
            ExecutorParameter("user", .text, "The account to run as; the agent must run as root.", maximum: 64),
            ExecutorParameter("stdin", .json, "What standard input holds: a text, or a secret."),
            ExecutorParameter("stdin_base64", .text, "The same as base64.", maximum: 786_432),
            ExecutorParameter(
                "host_namespaces", .flag, "Run in the namespaces of the agent's host; its policy file must allow it."),
        ])
}
