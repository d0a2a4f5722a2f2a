// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

/// How an interpreter takes its program from its arguments.
struct Interpreter: Sendable {
    /// Letters whose argument is the program.
    var text: String
    /// Long options whose argument is the program.
    var longText: [String] = []
    /// Letters that name a module or file instead.
    var source: String = ""
    /// Other letters with an argument that may be the next word.
    var letters: String = ""
    /// Letters whose argument is always the rest of the word.
    var attached: String = ""
    /// Whether a word before the program's options is a verb, as in `deno eval TEXT`.
    var verbs: [String] = []

    private static let table: [(names: [String], value: Interpreter)] = [
        (["python", "pypy", "jython", "micropython"], Interpreter(text: "c", source: "m", letters: "WXQ")),
        (["perl", "raku"], Interpreter(text: "eE", letters: "I", attached: "iMmDFx0lCV")),
        (["ruby", "jruby", "irb"], Interpreter(text: "e", letters: "IrCE", attached: "FiKTWx0")),
        (["node", "nodejs", "bun"], Interpreter(text: "ep", longText: ["eval", "print"], letters: "rC")),
        (
            ["php"],
            Interpreter(
                text: "rBRE", longText: ["run", "process-begin", "process-code", "process-end"], source: "fF",
                letters: "dcztS")
        ),
        (["deno"], Interpreter(text: "", verbs: ["eval"])),
        (["lua", "luajit", "texlua"], Interpreter(text: "e", letters: "l")),
        (["rscript", "r", "R", "Rscript"], Interpreter(text: "e", source: "f")),
        (["expect"], Interpreter(text: "c", source: "f", letters: "b")),
        (
            [
                "tclsh", "wish", "jimsh", "guile", "scheme", "osascript", "groovy", "jshell", "ghci", "ocaml", "julia",
                "elixir",
                "erl", "janet", "racket", "gst", "sbcl", "clisp", "ed", "ex",
            ], Interpreter(text: "eEc")
        ),
    ]

    private static let byName = Dictionary(
        table.flatMap { row in row.names.map { ($0, row.value) } }, uniquingKeysWith: { first, _ in first })

    /// The rules for a program of this name, with or without a version.
    static func named(_ name: String) -> Interpreter? {
        let base = name.utf8.prefix { (65...90).contains($0) || (97...122).contains($0) }
        let isVersion = name.utf8[base.endIndex...].allSatisfy {
            (48...57).contains($0) || $0 == UInt8(ascii: ".") || $0 == UInt8(ascii: "-")
        }
        return isVersion ? byName[String(Substring(base))] : nil
    }
}

extension ShellJudge {
    /// D8 and D9 for programs that are no shells.
    mutating func interpreter(
        _ name: String, _ arguments: ArraySlice<ShellArgument>, _ scene: ShellScene, at position: Int?
    ) {
        guard let interpreter = Interpreter.named(name) else { return }
        let isEditor = name == "ed" || name == "ex"
        let specification = OptionSpecification(
            letters: interpreter.text + interpreter.source + interpreter.letters, attached: interpreter.attached,
            long: interpreter.longText + ["require", "loader", "import"])
        let options = CommandOptions(arguments, specification)
        let texts = options.values(interpreter.text.map { "-\($0)" } + interpreter.longText.map { "--\($0)" })
        var operands = options.operands[...]
        var programs = texts
        if let verb = operands.first, interpreter.verbs.contains(verb.text) {
            operands = operands.dropFirst()
            programs += operands.prefix(1)
        }
        for text in programs {
            if mode == .whitelist { report("V6", "\(name) is given a program as an argument", at: text.position) }
            scan(text.knownText, scene, at: text.position)
        }
        let isSource = !programs.isEmpty || !options.values(interpreter.source.map { "-\($0)" }).isEmpty
        let isInformation = options.has("-V", "--version", "-h", "--help", "-v")
        guard !isSource, !isInformation || !operands.isEmpty, !isEditor else { return }
        if let file = operands.first, file.text != "-", file.text != "/dev/stdin", file.text != "/dev/fd/0" {
            let isProcess = file.pieces.contains {
                if case .unknown(let unknown) = $0 { unknown.name == ShellExpander.processName } else { false }
            }
            if isProcess { report("D8", "\(name) would run what a pipe brings, which nobody can judge", at: position) }
            return
        }
        switch scene.input {
        case .none:
            if scene.takesMore, operands.isEmpty {
                report("D8", "\(name) would run what is read, which nobody can judge", at: position)
            }
        case .pipe: report("D8", "\(name) would run what a pipe brings, which nobody can judge", at: position)
        case .text(let text): scan(text.knownText, scene, at: text.position ?? position)
        }
    }

    /// D9: looks for acts of D-rules in the text of another language, as far as they are written out there.
    mutating func scan(_ text: String, _ scene: ShellScene, at position: Int?) {
        guard scene.depth < ShellParser.maximumDepth, text.utf8.count <= TaskSpec.maximumCommandBytes * 32 else {
            return
        }
        let strings = ProgramStrings(text)
        var probe = ShellJudge(mode: .blacklistDefault, dialect: .bash, allow: [], deny: [])
        probe.budget = min(budget, 2_000)
        probe.steps = min(steps, 1 << 18)
        if strings.mentions(ProgramStrings.starters) {
            var inner = ShellScene()
            inner.depth = scene.depth + 1
            inner.origin = position ?? 0
            for value in strings.values { probe.program(Array(value.utf8), inner) }
            for list in strings.lists { probe.run(list.map { ShellArgument($0) }, inner) }
        }
        if strings.mentions(ProgramStrings.removers) {
            let rules = DestructionRules(directory: nil, variables: [:])
            for value in strings.values where value.hasPrefix("/") {
                if let finding = rules.removal(of: ShellArgument(value)) { probe.report(finding) }
            }
        }
        budget -= 2_000 - max(0, probe.budget)
        if let found = probe.findings.first(where: { $0.rule.hasPrefix("D") }) {
            report("D9", "the program holds an act that \(found.rule) refuses: \(found.message)", at: position)
        }
    }
}

/// The texts in quotes of a program in some language.
struct ProgramStrings: Sendable {
    private(set) var values: [String] = []
    /// Texts that follow each other with nothing but commas between them.
    private(set) var lists: [[String]] = []
    private let text: [UInt8]

    /// Phrases by the byte they begin with.
    typealias Phrases = [[[UInt8]]]

    private static func byFirstByte(_ phrases: [String]) -> Phrases {
        var table: Phrases = Array(repeating: [], count: 256)
        for phrase in phrases.map({ Array($0.utf8) }) { table[Int(phrase[0])].append(phrase) }
        return table
    }

    /// What starts other programs, in the languages that are known.
    static let starters = byFirstByte([
        "system", "exec", "popen", "Popen", "subprocess", "spawn", "call", "run", "check_output", "getoutput",
        "passthru", "proc_open", "qx", "`", "Open3", "child_process", "ProcessBuilder", "%x", "startProcess",
        "Command", "sh.", "shell",
    ])
    /// What removes directories with all that is in them.
    static let removers = byFirstByte([
        "rmtree", "rm_rf", "rm_r", "rmSync", "rimraf", "removedirs", "remove_tree", "deltree", "remove_entry", "fs.rm",
        "rmdir",
    ])

    /// What begins a command up to the mark that matches its last one.
    private static let openings = ["qx{", "qx(", "qx/", "%x(", "%x{", "%x["]
    private static let openingPhrases = byFirstByte(openings)

    private static let maximumValues = 64

    init(_ text: String) {
        let bytes = Array(text.utf8)
        self.text = bytes
        var at = 0
        var list: [String] = []
        var between: [UInt8] = []
        func endList() -> [[String]] { list.count > 1 ? [list] : [] }
        while at < bytes.count, values.count < Self.maximumValues {
            let quote = bytes[at]
            at += 1
            guard quote == UInt8(ascii: "'") || quote == UInt8(ascii: "\"") || quote == UInt8(ascii: "`") else {
                between.append(quote)
                continue
            }
            var value: [UInt8] = []
            while at < bytes.count, bytes[at] != quote {
                if bytes[at] == UInt8(ascii: "\\"), at + 1 < bytes.count {
                    at += 1
                    value += ANSIEscape.decode(bytes, &at)
                } else {
                    value.append(bytes[at])
                    at += 1
                }
            }
            at += 1
            if !between.allSatisfy({ $0 == UInt8(ascii: ",") || $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "[") }) {
                lists += endList()
                list = []
            }
            between = []
            list.append(String(decoding: value, as: UTF8.self))
            values.append(String(decoding: value, as: UTF8.self))
        }
        lists += endList()
        guard mentions(Self.openingPhrases) else { return }
        for opening in Self.openings { addDelimited(after: opening, in: text) }
    }

    private mutating func addDelimited(after opening: String, in text: String) {
        let parts = text.split(separator: opening, omittingEmptySubsequences: false).dropFirst()
        for part in parts.prefix(8) {
            values.append(String(part.prefix { !"})]/".contains($0) || $0 == "/" && !opening.hasSuffix("/") }))
        }
    }

    /// Whether one of the phrases occurs, byte for byte.
    func mentions(_ phrases: Phrases) -> Bool {
        text.indices.contains { at in phrases[Int(text[at])].contains { text[at...].starts(with: $0) } }
    }
}
