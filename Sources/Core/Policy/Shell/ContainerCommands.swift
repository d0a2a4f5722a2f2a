// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

extension CommandUnwrapper {
    /// `kubectl exec POD -- COMMAND` and what is like it.
    static func cluster(_ arguments: ArraySlice<ShellArgument>) -> [InnerCommand] {
        let flags = OptionSpecification(
            letters: "itqhAw",
            long: [
                "stdin", "tty", "quiet", "help", "insecure-skip-tls-verify", "match-server-version", "rm", "attach",
                "command", "leave-stdin-open", "privileged", "expose", "share-processes", "warnings-as-errors",
                "disable-compression", "all-namespaces", "watch", "follow",
            ], isInverted: true)
        var words = arguments[...]
        if let first = words.first, first.text == "kubectl" { words = words.dropFirst() }
        var command: ArraySlice<ShellArgument>?
        if let dashes = words.firstIndex(where: { $0.text == "--" && !$0.isDynamic }) {
            command = words[(dashes + 1)...]
            words = words[..<dashes]
        }
        let operands = CommandOptions(words, flags).operands
        guard let verb = operands.first?.text, ["exec", "run", "debug", "rsh", "ssh"].contains(verb) else { return [] }
        if command == nil, verb == "exec" || verb == "rsh" {
            let pod = CommandOptions(operands.dropFirst(), flags).operands.dropFirst()
            command = CommandOptions(pod, flags).operands[...]
        }
        let inner = command ?? []
        return inner.isEmpty
            ? (verb == "rsh" || verb == "ssh" ? [.shell] : []) : [.arguments(Array(inner), directory: nil)]
    }

    private static let globalOptions = OptionSpecification(
        letters: "HlcfprtnaD",
        long: [
            "host", "log-level", "config", "context", "tlscacert", "tlscert", "tlskey", "file", "project-name",
            "project-directory", "profile", "env-file", "ansi", "parallel", "namespace", "address", "runtime-endpoint",
            "connection", "url", "root", "runroot", "storage-driver", "identity",
        ])
    private static let runFlags = OptionSpecification(
        letters: "ditPqT",
        long: [
            "detach", "interactive", "tty", "rm", "privileged", "init", "no-healthcheck", "oom-kill-disable",
            "publish-all", "read-only", "sig-proxy", "disable-content-trust", "quiet", "help", "no-deps",
            "service-ports",
            "build", "no-TTY", "use-aliases", "remove-orphans", "replace", "no-hosts", "latest", "net-host",
            "env-host", "http-proxy", "systemd", "tls-verify", "quiet-pull",
        ], isInverted: true)

    /// `docker exec`, `docker run` and what is like them.
    static func container(_ name: String, _ arguments: ArraySlice<ShellArgument>) -> [InnerCommand] {
        var operands = CommandOptions(arguments, globalOptions).operands[...]
        while let first = operands.first, ["compose", "container", "stack", "task", "tasks"].contains(first.text) {
            operands = CommandOptions(operands.dropFirst(), globalOptions).operands[...]
        }
        guard let verb = operands.popFirst()?.text, ["exec", "run", "create"].contains(verb) else { return [] }
        let options = CommandOptions(operands, runFlags)
        var inner = options.operands.dropFirst(name == "ctr" ? 2 : 1)
        if inner.first?.text == "--" { inner = inner.dropFirst() }
        var found: [InnerCommand] = []
        if let entry = options.values(["--entrypoint"]).last {
            found.append(.arguments([entry] + inner, directory: nil))
        } else if let first = inner.first {
            // Words for the image's own entry point look like options.
            if !first.text.hasPrefix("-") { found.append(.arguments(Array(inner), directory: nil)) }
        }
        return found
    }
}
