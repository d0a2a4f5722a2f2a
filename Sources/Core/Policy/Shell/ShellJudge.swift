// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

/// What a command finds where it stands.
struct ShellScene: Sendable {
    /// What standard input is.
    enum Input: Sendable {
        /// Nothing that a shell could run.
        case none
        /// The output of another command; known when only `echo` or `printf` writes to it.
        case pipe([UInt8]?)
        /// A text that is written there.
        case text(ShellArgument)
    }

    var input = Input.none
    /// The working directory, when it is known.
    var directory: String?
    /// How many programs this one stands in.
    var depth = 0
    /// Whether arguments follow that are only known when it runs, as behind `xargs`.
    var takesMore = false
    /// What such arguments take the place of.
    var place = "{}"
    /// Where this text begins in the judged text, when it is a copy of a part of it.
    var origin: Int?
    var documents: [ShellHereDocument] = []
}

/// Goes through a program and collects what the rules say about it.
struct ShellJudge {
    let mode: GuardMode
    var dialect: ShellDialect
    let allow: [GuardExpression]
    let deny: [GuardExpression]
    var findings: [ShellFinding] = []
    /// Canonical commands in the order in which they were met, each once.
    var commands: [String] = []
    var noted: Set<String> = []
    var variables: [String: [ShellArgument]] = [:]
    var functions: [String: ShellCommand] = [:]
    var bombs = ForkBombRule()
    /// Whether a part of the text means something else in the other dialect.
    var differs = false
    /// Commands that may still be looked at.
    var budget = 20_000
    /// Steps of the parsers that are left, over all programs of the text.
    var steps = 4 << 20

    static let maximumCommands = 256
    static let maximumFindings = 32

    mutating func report(_ rule: String, _ message: String, at position: Int?) {
        report(ShellFinding(rule, message, at: position))
    }

    mutating func report(_ finding: ShellFinding) {
        if findings.count < Self.maximumFindings || finding.rule.hasPrefix("D") { findings.append(finding) }
    }

    /// Judges the text of a program.
    mutating func program(_ bytes: [UInt8], _ scene: ShellScene) {
        guard scene.depth <= ShellParser.maximumDepth else {
            return report(
                "V1", "programs stand in programs more than \(ShellParser.maximumDepth) levels deep", at: scene.origin)
        }
        let allowance = min(steps, 1 << 20)
        var parser = ShellParser(bytes, dialect: dialect, depth: scene.depth, origin: scene.origin, budget: allowance)
        let (list, error) = parser.program()
        steps -= allowance - parser.budget
        if parser.differs { differs = true }
        if let error {
            // What bash alone can read, /bin/sh refuses by itself; what it has run until then is judged below.
            if dialect == .bash || error.isBound || error.rule == "V0" {
                report(error.rule, "it cannot be parsed: \(error.message)", at: error.position)
            }
        }
        if mode.allowsOnlyPlainCommands, let mark = parser.marks.min(by: { $0.position < $1.position }) {
            report(
                "V2", "\(mark.what) could start a second command; send one command, or use an argument vector",
                at: mark.position)
        }
        var inner = scene
        inner.documents = parser.hereDocuments
        let outer = (variables, functions)
        ShellVariables.collect(list, into: &variables)
        define(list)
        if let bomb = bombs.bomb { report("D5", "the function \(bomb) starts itself beside itself", at: scene.origin) }
        walk(list, &inner)
        (variables, functions) = outer
    }

    private mutating func define(_ list: ShellList) {
        for pipeline in list.pipelines { for command in pipeline.commands { define(command) } }
    }

    private mutating func define(_ command: ShellCommand) {
        switch command {
        case .simple: break
        case .compound(let compound): for list in compound.lists { define(list) }
        case .function(let name, let body):
            functions[name] = body
            bombs.define(name, body: body)
            define(body)
        }
    }

    // Walking

    mutating func walk(_ list: ShellList, _ scene: inout ShellScene) {
        for pipeline in list.pipelines { walk(pipeline, &scene) }
    }

    private mutating func walk(_ pipeline: ShellPipeline, _ scene: inout ShellScene) {
        guard pipeline.commands.count > 1 else {
            if let command = pipeline.commands.first { walk(command, &scene) }
            return
        }
        var input = scene.input
        for command in pipeline.commands {
            var stage = scene
            stage.input = input
            walk(command, &stage)
            var written: [UInt8]?
            if case .simple(let simple) = command, simple.assignments.isEmpty {
                written = ShellFolding.output(of: simple)
                // What passes cat or tee unchanged is still known.
                if written == nil, case .pipe(let known) = input, simple.words.count == 1,
                    simple.words[0].plain == "cat"
                {
                    written = known
                }
            }
            input = .pipe(written)
        }
    }

    private mutating func walk(_ command: ShellCommand, _ scene: inout ShellScene) {
        budget -= 1
        guard budget > 0 else {
            if budget == 0 { report("V1", "the command is too involved to be judged", at: nil) }
            return
        }
        switch command {
        case .simple(let simple): walk(simple, &scene)
        case .compound(let compound):
            var inner = scene
            for redirection in compound.redirections { redirect(redirection, &inner) }
            for word in compound.words { look(into: word.parts, inner) }
            for list in compound.lists { walk(list, &inner) }
            if !compound.isSubshell { scene.directory = inner.directory }
        case .function(_, let body):
            var inner = scene
            inner.directory = nil
            walk(body, &inner)
        }
    }

    private mutating func walk(_ simple: ShellSimpleCommand, _ scene: inout ShellScene) {
        var inner = scene
        for redirection in simple.redirections { redirect(redirection, &inner) }
        for assignment in simple.assignments {
            look(into: assignment.value.parts, scene)
            if !simple.words.isEmpty { environment(assignment.name, at: assignment.value.position) }
        }
        var arguments: [ShellArgument] = []
        for word in simple.words {
            look(into: word.parts, scene)
            guard let values = ShellExpander.arguments(word) else {
                return report("V1", "a list in braces stands for too many words", at: word.position)
            }
            arguments += values
        }
        if mode == .whitelist, scene.depth == 0 { listed(simple, arguments) }
        guard !arguments.isEmpty else { return }
        run(arguments, inner)
        changeDirectory(arguments, &scene)
    }

    /// V3 for one variable.
    mutating func environment(_ name: String, at position: Int?) {
        guard EnvironmentRule.isRefused(name, mode: mode) else { return }
        report("V3", "the variable \(name) changes which code runs", at: position)
    }

    /// Judges the commands in a word's substitutions.
    mutating func look(into parts: [ShellWordPart], _ scene: ShellScene) {
        for part in parts {
            switch part {
            case .text: continue
            case .command(let list, _):
                var inner = scene
                walk(list, &inner)
            case .process(let list, let isInput):
                var inner = scene
                inner.input = isInput ? .pipe(nil) : .none
                walk(list, &inner)
            case .parameter(let parameter, _): look(into: parameter.argument, scene)
            case .arithmetic(let parts): look(into: parts, scene)
            case .array(let words): for word in words { look(into: word.parts, scene) }
            }
        }
    }

    private mutating func redirect(_ redirection: ShellRedirection, _ scene: inout ShellScene) {
        look(into: redirection.target.parts, scene)
        switch redirection.kind {
        case .duplicate: break
        case .hereString: scene.input = .text(ShellExpander.value(redirection.target))
        case .hereDocument:
            guard let index = redirection.document, index < scene.documents.count else { return }
            let parts = scene.documents[index].parts
            look(into: parts, scene)
            scene.input = .text(ShellExpander.value(parts, position: redirection.position))
        case .read:
            let isProcess = redirection.target.parts.contains { if case .process = $0 { true } else { false } }
            let name = redirection.target.plain ?? ""
            if isProcess || name.hasPrefix("/dev/tcp/") || name.hasPrefix("/dev/udp/") {
                scene.input = .pipe(nil)
            } else if !Self.ownInput.contains(name) {
                scene.input = .none
            }
        case .write:
            for target in ShellExpander.arguments(redirection.target) ?? [] {
                if target.text.hasPrefix("/dev/tcp/") || target.text.hasPrefix("/dev/udp/") { scene.input = .pipe(nil) }
                guard let refusal = ProtectedPaths.refusalToWrite(target, in: scene.directory) else { continue }
                report(refusal.rule, "it \(refusal.what)", at: redirection.position)
            }
        }
    }

    /// Names of standard input that a redirection leaves as it is.
    private static let ownInput: Set<String> = ["/dev/stdin", "/dev/fd/0", "/proc/self/fd/0"]
    private static let directoryChangers: Set<String> = ["cd", "pushd", "popd", "chdir"]

    private func changeDirectory(_ arguments: [ShellArgument], _ scene: inout ShellScene) {
        var words = arguments[...]
        while let first = words.first, first.text == "command" || first.text == "builtin" { words = words.dropFirst() }
        guard let name = words.first?.text, Self.directoryChangers.contains(name) else { return }
        let target = words.dropFirst().first { !["-L", "-P", "-e", "--"].contains($0.text) }
        guard let target, name != "popd", target.literal != nil, target.text != "-" else {
            // Without an argument it goes home.
            scene.directory = nil
            return
        }
        scene.directory = ProtectedPaths.path(target, in: scene.directory)
    }
}
