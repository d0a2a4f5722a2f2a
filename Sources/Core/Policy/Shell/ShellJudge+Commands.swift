// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

extension ShellJudge {
    /// The most wrappers around one command.
    private static let maximumWrappers = 16

    /// Judges a program with its arguments.
    mutating func run(_ arguments: [ShellArgument], _ scene: ShellScene, wrappers: Int = 0) {
        budget -= 1
        guard budget > 0, let first = arguments.first else { return }
        guard let name = name(of: first) else { return }
        guard !(scene.takesMore && first.text.contains(scene.place)) else {
            return report("V4", "which program runs is only known when it runs; write its name", at: first.position)
        }
        let rest = arguments.dropFirst()
        let canonical = arguments.map(\.text).joined(separator: " ")
        refuse(canonical, name, rest, at: first.position)
        export(name, rest)
        if let inner = CommandUnwrapper.inner(name, rest) {
            guard wrappers < Self.maximumWrappers else {
                return report("V5", "too many programs run one another", at: first.position)
            }
            if inner.isEmpty { note(canonical) }
            for command in inner { run(command, scene, wrappers: wrappers + 1) }
        } else {
            note(canonical)
        }
        acts(name, rest, scene, at: first.position)
        programs(name, rest, scene, at: first.position)
        if let function = functions[name], case .pipe = scene.input {
            // What a function reads is what it is given.
            functions[name] = nil
            var inner = scene
            inner.directory = nil
            walk(ShellList(pipelines: [ShellPipeline(commands: [function])]), &inner)
            functions[name] = function
        }
    }

    private mutating func note(_ canonical: String) {
        guard commands.count < Self.maximumCommands, noted.insert(canonical).inserted else { return }
        commands.append(canonical)
    }

    /// V4: the program's own name, or nil when it cannot be told.
    private mutating func name(of word: ShellArgument) -> String? {
        let isAtHome =
            word.isDynamic && !mode.allowsOnlyPlainCommands && word.pieces.first == .home && word.pieces.count > 1
        let isKnown =
            !word.isPattern
            && (word.isPlain
                || word.pieces.dropFirst(isAtHome ? 1 : 0).allSatisfy { if case .byte = $0 { true } else { false } })
        guard isKnown else {
            report("V4", "which program runs is only known when it runs; write its name", at: word.position)
            return nil
        }
        guard !word.text.isEmpty, word.text.utf8.allSatisfy({ $0 >= 0x20 && $0 <= 0x7E }) else {
            report("V4", "the program's name holds characters that are not plain ASCII", at: word.position)
            return nil
        }
        guard word.text.utf8.contains(UInt8(ascii: "/")) else { return word.text }
        return word.text.split(separator: "/").last { $0 != "." }.map(String.init) ?? word.text
    }

    /// The policy's own `deny` expressions.
    private mutating func refuse(
        _ canonical: String, _ name: String, _ rest: ArraySlice<ShellArgument>, at position: Int?
    ) {
        guard !deny.isEmpty else { return }
        let byName = ([name] + rest.map(\.text)).joined(separator: " ")
        for (index, expression) in deny.enumerated() {
            guard expression.matchesWhole(canonical) || byName != canonical && expression.matchesWhole(byName) else {
                continue
            }
            return report("deny[\(index)]", "the policy refuses what matches \(expression.pattern)", at: position)
        }
    }

    private static let setters: Set<String> = [
        "export", "declare", "typeset", "readonly", "local", "systemd-run", "run0", "env", "sudo", "doas", "dzdo",
    ]

    /// V3 for the variables that a command sets for others.
    private mutating func export(_ name: String, _ arguments: ArraySlice<ShellArgument>) {
        guard Self.setters.contains(name) else { return }
        for argument in arguments where argument.text.utf8.contains(UInt8(ascii: "=")) {
            var text = argument.text[...]
            if text.hasPrefix("--setenv=") { text = text.dropFirst("--setenv=".count) }
            if text.hasPrefix("-E") { text = text.dropFirst(2) }
            guard let equals = text.firstIndex(of: "=") else { continue }
            let variable = String(text[..<equals])
            if ShellParser.isName(variable) { environment(variable, at: argument.position) }
        }
    }

    private mutating func run(_ command: InnerCommand, _ scene: ShellScene, wrappers: Int) {
        var inner = scene
        switch command {
        case .arguments(let arguments, let directory):
            if let directory {
                inner.directory = directory.literal == nil ? nil : ProtectedPaths.path(directory, in: scene.directory)
            }
            run(arguments, inner, wrappers: wrappers)
        case .text(let text, let dialect): program(text, dialect ?? self.dialect, inner)
        case .remoteText(let text):
            inner.directory = nil
            remoteProgram(text, inner)
        case .shell: shellFromInput(dialect, inner, at: nil)
        }
    }

    /// The D-rules for one command, and what is refused besides where only plain commands are let through.
    private mutating func acts(
        _ name: String, _ arguments: ArraySlice<ShellArgument>, _ scene: ShellScene, at position: Int?
    ) {
        let destruction = DestructionRules(directory: scene.directory, variables: variables)
        if let finding = ShutdownRules.finding(name, arguments, at: position) { report(finding) }
        if let finding = destruction.finding(name, arguments, at: position) { report(finding) }
        if let finding = DeviceRules.finding(name, arguments, in: scene.directory, at: position) { report(finding) }
        if name == "find" || name == "gfind" || name == "fd" || name == "fdfind" {
            let find = FindCommand(arguments)
            if let finding = find.finding(destruction, at: position) { report(finding) }
            for file in find.written {
                if let refusal = ProtectedPaths.refusalToWrite(file, in: scene.directory) {
                    report(refusal.rule, "it \(refusal.what)", at: file.position)
                } else if mode.allowsOnlyPlainCommands {
                    report("V6", "find writes the file \(file.text)", at: file.position)
                }
            }
            var inner = scene
            inner.takesMore = true
            for command in find.commands { run(command, inner, wrappers: 1) }
        }
        if mode.allowsOnlyPlainCommands, let finding = RunnerRules.finding(name, arguments, at: position) {
            report(finding)
        }
    }

    // Whitelist

    /// Whether the expressions of the policy name a stage as it is written.
    mutating func listed(_ simple: ShellSimpleCommand, _ arguments: [ShellArgument]) {
        if let assignment = simple.assignments.first {
            return report("whitelist", "no variables may be set", at: assignment.value.position)
        }
        for redirection in simple.redirections where redirection.kind != .duplicate {
            let isNull = ShellExpander.value(redirection.target).literal == "/dev/null"
            guard isNull, redirection.kind == .write || redirection.kind == .read else {
                return report("whitelist", "output may go to /dev/null only", at: redirection.position)
            }
        }
        let dynamic = arguments.first { argument in
            argument.isDynamic
                || argument.isPattern && !argument.pieces.contains { if case .glob = $0 { true } else { false } }
        }
        if let dynamic { return report("whitelist", "no expansions are allowed", at: dynamic.position) }
        listed(arguments, at: simple.position)
    }

    mutating func listed(_ arguments: [ShellArgument], at position: Int?) {
        let canonical = arguments.map(\.text).joined(separator: " ")
        guard !canonical.contains("\n"), allow.contains(where: { $0.matchesWhole(canonical) }) else {
            return report("whitelist", "the policy does not list '\(canonical.prefix(200))'", at: position)
        }
    }
}
