// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

/// What a command reads from standard input.
public enum ShellInput: Sendable, Hashable {
    /// Nothing.
    case none
    /// This text: a program, when a shell reads it.
    case text(String)
    /// Something that nobody here can see.
    case unknown
}

/// Judges shell commands: what a text or an argument vector would do, without running it. See tiangong-policy(5).
public enum ShellGuard {
    /// Judges a text that `/bin/sh` would be given; the verdict's policy is left empty.
    ///
    /// - Parameters:
    ///   - workingDirectory: Where it would run, if that is known.
    ///   - standardInput: What it would read.
    public static func judge(
        _ text: String, mode: GuardMode, allow: [GuardExpression] = [], deny: [GuardExpression] = [],
        workingDirectory: String? = nil, standardInput: ShellInput = .none
    ) -> GuardVerdict {
        if let finding = InputGate.finding(text) { return verdict([finding], [], mode) }
        var findings: [ShellFinding] = []
        var commands: [String] = []
        // Hosts differ in what their /bin/sh is: what either would do must be allowed.
        for dialect in [ShellDialect.bash, .posix] {
            var judge = ShellJudge(mode: mode, dialect: dialect, allow: allow, deny: deny)
            judge.program(Array(text.utf8), scene(workingDirectory, standardInput))
            findings += judge.findings
            if dialect == .bash { commands = judge.commands }
            if !judge.differs { break }
        }
        return verdict(findings, commands, mode)
    }

    /// Judges a program and its arguments, which no shell reads; the verdict's policy is left empty.
    ///
    /// Arguments are data: whatever characters they hold, they cannot start a second command.
    public static func judge(
        arguments: [String], mode: GuardMode, allow: [GuardExpression] = [], deny: [GuardExpression] = [],
        workingDirectory: String? = nil, standardInput: ShellInput = .none
    ) -> GuardVerdict {
        guard arguments.first?.isEmpty == false else {
            return verdict([ShellFinding("V0", "the command is empty", at: nil)], [], mode)
        }
        let words = arguments.map { ShellArgument($0) }
        var findings: [ShellFinding] = []
        var commands: [String] = []
        for dialect in [ShellDialect.bash, .posix] {
            var judge = ShellJudge(mode: mode, dialect: dialect, allow: allow, deny: deny)
            judge.run(words, scene(workingDirectory, standardInput))
            if mode == .whitelist { judge.listed(words, at: nil) }
            findings += judge.findings
            if dialect == .bash { commands = judge.commands }
            if !judge.differs { break }
        }
        return verdict(findings, commands, mode)
    }

    private static func scene(_ directory: String?, _ input: ShellInput) -> ShellScene {
        var scene = ShellScene()
        scene.directory = directory.flatMap { ProtectedPaths.path(ShellArgument($0), in: nil) }
        switch input {
        case .none: break
        case .text(let text): scene.input = .text(ShellArgument(text))
        case .unknown: scene.input = .pipe(nil)
        }
        return scene
    }

    /// The worst finding decides: what D-rules refuse, no other setting allows.
    private static func verdict(_ findings: [ShellFinding], _ commands: [String], _ mode: GuardMode) -> GuardVerdict {
        let refused = findings.first { $0.rule.hasPrefix("D") } ?? findings.first { $0.rule != "whitelist" }
        guard let worst = refused ?? findings.first else {
            return GuardVerdict(
                .allow, rule: "none", message: "nothing objects", commands: commands, mode: mode)
        }
        return GuardVerdict(
            .deny, rule: worst.rule, message: worst.message, position: worst.position, commands: commands, mode: mode)
    }
}
