// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

/// What a command runs besides itself.
enum InnerCommand: Sendable {
    /// A program with its arguments, in another directory when one is named.
    case arguments([ShellArgument], directory: ShellArgument?)
    /// A text for a shell.
    case text(ShellArgument, dialect: ShellDialect?)
    /// A text for the shell of another machine: expansions in it are made here, before it is sent.
    case remoteText(ShellArgument)
    /// A shell that reads standard input.
    case shell
}

/// V5: finds what wrappers, remote shells and containers run.
enum CommandUnwrapper {
    /// How a program's arguments are written that ``WrapperTable`` has no room for.
    private enum Kind {
        case remote, roaming, cluster, container, named, vagrant, multiplexer
    }

    private static let kinds: [String: Kind] = [
        "ssh": .remote, "slogin": .remote, "rsh": .remote, "autossh": .remote, "mosh": .roaming,
        "kubectl": .cluster, "oc": .cluster, "k3s": .cluster, "microk8s": .cluster, "microk8s.kubectl": .cluster,
        "minikube": .cluster,
        "docker": .container, "podman": .container, "nerdctl": .container, "crictl": .container,
        "docker-compose": .container, "podman-compose": .container, "ctr": .container, "buildah": .container,
        "lxc": .named, "incus": .named, "machinectl": .named, "ip": .named, "vagrant": .vagrant,
        "tmux": .multiplexer, "screen": .multiplexer,
    ]

    /// What runs, or nil when the program is no wrapper. An empty list is a wrapper that runs nothing.
    static func inner(_ name: String, _ arguments: ArraySlice<ShellArgument>) -> [InnerCommand]? {
        switch kinds[name] {
        case .remote: return remote(arguments)
        case .roaming:
            return [
                .arguments(
                    Array(CommandOptions(arguments, OptionSpecification(letters: "p")).operands.dropFirst()),
                    directory: nil)
            ]
        case .cluster: return cluster(arguments)
        case .container: return container(name, arguments)
        case .named: return named(name, arguments)
        case .vagrant:
            return texts(arguments, verb: "ssh", options: ["-c", "--command"], letters: "c", long: ["command"])
        case .multiplexer: return multiplexer(arguments)
        case nil: break
        }
        if name == "env", let commands = splitString(arguments) { return commands }
        guard let wrapper = WrapperTable.wrapper(named: name) else { return nil }
        return inner(name, wrapper, arguments)
    }

    private static func inner(
        _ name: String, _ wrapper: Wrapper, _ arguments: ArraySlice<ShellArgument>
    ) -> [InnerCommand] {
        var options = CommandOptions(arguments, wrapper.options)
        let isUserSwitch = (name == "su" || name == "runuser") && options.values(wrapper.skipOptions).isEmpty
        if isUserSwitch { options = CommandOptions(arguments, wrapper.options, inOrder: false) }
        if wrapper.inertOptions.contains(where: { options.has($0) }) { return [] }
        var found: [InnerCommand] = options.values(wrapper.textOptions).map { .text($0, dialect: nil) }
        var operands = options.operands[...]
        if isUserSwitch, operands.first?.text == "-" { operands = operands.dropFirst() }
        let directory = options.values(wrapper.directoryOptions).last
        if name == "exec", operands.isEmpty { return [] }
        if isUserSwitch {
            // After the user come arguments for the user's shell.
            let shell = operands.dropFirst()
            if !shell.isEmpty { found.append(.arguments([ShellArgument("sh")] + shell, directory: nil)) }
            if found.isEmpty { found.append(.shell) }
            return found
        }
        if wrapper.skipOptions.isEmpty { operands = operands.dropFirst(wrapper.skip) }
        if name == "flock", let first = operands.first, ["-c", "--command"].contains(first.text) {
            return found + operands.dropFirst().prefix(1).map { .text($0, dialect: nil) }
        }
        if name == "sg", operands.first?.text == "-c" { operands = operands.dropFirst() }
        if name == "env", operands.first?.text == "-" { operands = operands.dropFirst() }
        if wrapper.takesAssignments {
            operands = operands.drop { argument in
                guard let equals = argument.text.firstIndex(of: "=") else { return false }
                return ShellParser.isName(String(argument.text[..<equals]))
            }
        }
        guard !operands.isEmpty else {
            let starts = wrapper.shellOptions.contains { $0 == "*" || options.has($0) }
            return found.isEmpty && starts ? [.shell] : found
        }
        if wrapper.runsText, !options.has("-x", "--exec") {
            found.append(.text(joined(operands), dialect: .posix))
        } else {
            found.append(.arguments(Array(operands), directory: directory))
        }
        return found
    }

    /// Several words as one text, with a blank between them.
    static func joined(_ arguments: some Collection<ShellArgument>) -> ShellArgument {
        var pieces: [ShellPiece] = []
        for argument in arguments {
            if !pieces.isEmpty { pieces.append(.byte(UInt8(ascii: " "))) }
            pieces += argument.pieces
        }
        return ShellArgument(pieces: pieces, position: arguments.first?.position)
    }

    /// `env -S 'a b'`: a text that env itself splits, close to a shell without operators.
    private static func splitString(_ arguments: ArraySlice<ShellArgument>) -> [InnerCommand]? {
        guard let wrapper = WrapperTable.wrappers["env"] else { return nil }
        let options = CommandOptions(arguments, wrapper.options)
        guard let text = options.values(["-S", "--split-string"]).last else { return nil }
        guard text.literal != nil else { return [.text(text, dialect: .posix)] }
        let words = text.text.split { " \t\n".contains($0) }.map { word in
            ShellArgument(word.filter { $0 != "'" && $0 != "\"" && $0 != "\\" }, position: text.position)
        }
        return inner("env", words[...] + options.operands)
    }

    private static func remote(_ arguments: ArraySlice<ShellArgument>) -> [InnerCommand] {
        let specification = OptionSpecification(letters: "BbcDEeFIiJLlmOopPQRSWwM")
        var operands = CommandOptions(arguments, specification).operands[...]
        guard operands.popFirst() != nil else { return [] }
        // Options may stand behind the host as well.
        operands = CommandOptions(operands, specification).operands[...]
        return operands.isEmpty ? [.shell] : [.remoteText(joined(operands))]
    }

    /// `ip netns exec NAME COMMAND`, `lxc exec NAME -- COMMAND`, `machinectl shell NAME COMMAND`.
    private static func named(_ name: String, _ arguments: ArraySlice<ShellArgument>) -> [InnerCommand] {
        let verb = arguments.firstIndex { $0.text == "exec" || name == "machinectl" && $0.text == "shell" }
        guard let verb, arguments[..<verb].allSatisfy({ name != "ip" || !["link", "addr"].contains($0.text) }) else {
            return []
        }
        let specification = OptionSpecification(letters: "eE", long: ["env", "cwd", "user", "group", "setenv", "uid"])
        let operands = CommandOptions(arguments[(verb + 1)...], specification).operands.dropFirst()
        let inner = CommandOptions(operands, specification).operands
        return inner.isEmpty ? (name == "ip" ? [] : [.shell]) : [.arguments(inner, directory: nil)]
    }

    private static func texts(
        _ arguments: ArraySlice<ShellArgument>, verb: String, options names: [String], letters: String, long: [String]
    ) -> [InnerCommand] {
        let options = CommandOptions(arguments, OptionSpecification(letters: letters, long: long), inOrder: false)
        guard options.operands.first?.text == verb else { return [] }
        return options.values(names).map { .remoteText($0) }
    }

    private static func multiplexer(_ arguments: ArraySlice<ShellArgument>) -> [InnerCommand] {
        // The words after the options of the last verb are a program, or one text for a shell.
        let specification = OptionSpecification(letters: "cesStTnFxyLfp")
        var operands = CommandOptions(arguments, specification).operands[...]
        let verbs = [
            "new", "new-session", "new-window", "neww", "split-window", "splitw", "respawn-pane", "run-shell", "run",
            "send-keys", "send", "send-prefix", "if-shell",
        ]
        if let verb = operands.first, verbs.contains(verb.text) {
            operands = CommandOptions(operands.dropFirst(), specification).operands[...]
        }
        guard let first = operands.first else { return [] }
        return operands.count == 1 ? [.text(first, dialect: .posix)] : [.arguments(Array(operands), directory: nil)]
    }
}
