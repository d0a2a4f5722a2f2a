// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

/// V6: programs in the arguments of programs. D8: programs that arrive through a pipe.
extension ShellJudge {
    /// How a program is given another program; interpreters have a table of their own.
    private enum Runner {
        case shell, eval, trap, source, later, xargs, parallel, awk
    }

    private static let runners: [String: Runner] = {
        let shells = [
            "sh", "bash", "dash", "zsh", "ksh", "ash", "mksh", "lksh", "pdksh", "oksh", "ksh93", "rksh", "rbash",
            "rzsh", "yash", "hush", "posh", "fish", "csh", "tcsh", "loksh", "bash-static", "zsh-static", "sash",
            "busybox-sh",
        ]
        let awks = ["awk", "gawk", "mawk", "nawk", "original-awk", "igawk", "goawk", "bioawk"]
        var table: [String: Runner] = [
            "eval": .eval, "trap": .trap, "source": .source, ".": .source, "at": .later, "batch": .later,
            "xargs": .xargs, "gxargs": .xargs, "parallel": .parallel,
        ]
        for name in shells { table[name] = .shell }
        for name in awks { table[name] = .awk }
        return table
    }()

    /// Judges what a program is given to run.
    mutating func programs(
        _ name: String, _ arguments: ArraySlice<ShellArgument>, _ scene: ShellScene, at position: Int?
    ) {
        switch Self.runners[name] {
        case .shell: shell(name, arguments, scene, at: position)
        case .eval:
            let words = arguments.first?.text == "--" ? arguments.dropFirst() : arguments
            if !words.isEmpty { program(CommandUnwrapper.joined(words), dialect, scene) }
        case .trap:
            let words = arguments.drop { $0.text == "--" }
            guard words.count > 1, let text = words.first, !["-", "", "-l", "-p"].contains(text.text) else { return }
            program(text, dialect, scene)
        case .source:
            guard let file = arguments.first else { return }
            if isInput(file) { fromPipe(name, scene, at: file.position) }
        case .later:
            let options = CommandOptions(arguments, OptionSpecification(letters: "qftdrc", long: ["file", "queue"]))
            if !options.has("-f", "--file", "-l", "-d", "-r", "-c") { shellFromInput(.posix, scene, at: position) }
        case .xargs: xargs(arguments, scene)
        case .parallel: parallel(arguments, scene, at: position)
        case .awk: awk(arguments, scene, at: position)
        case nil: interpreter(name, arguments, scene, at: position)
        }
    }

    /// A file name that means standard input, or the output of commands.
    private func isInput(_ file: ShellArgument) -> Bool {
        if ["-", "/dev/stdin", "/dev/fd/0", "/proc/self/fd/0"].contains(file.text) { return true }
        return file.pieces.contains {
            if case .unknown(let unknown) = $0 { unknown.name == ShellExpander.processName } else { false }
        }
    }

    private mutating func fromPipe(_ name: String, _ scene: ShellScene, at position: Int?) {
        report("D8", "\(name) would run what a pipe brings, which nobody can judge", at: position ?? scene.origin)
    }

    // Shells

    private mutating func shell(
        _ name: String, _ arguments: ArraySlice<ShellArgument>, _ scene: ShellScene, at position: Int?
    ) {
        var rest = arguments
        var takesText = false
        var readsInput = false
        while let argument = rest.first, argument.text.count > 1,
            argument.text.hasPrefix("-") || argument.text.hasPrefix("+")
        {
            rest = rest.dropFirst()
            let text = argument.text
            if text == "--" { break }
            if text.hasPrefix("--") {
                if ["--rcfile", "--init-file", "--init-command"].contains(text) { rest = rest.dropFirst() }
                if text == "--command" { takesText = true }
                continue
            }
            if text.hasPrefix("-"), text.contains("c") { takesText = true }
            if text.contains("s"), text.hasPrefix("-") { readsInput = true }
            if text.last == "o" || text.last == "O" { rest = rest.dropFirst() }
        }
        if !takesText, rest.first?.text == "-" { rest = rest.dropFirst() }
        let dialect: ShellDialect = ["sh", "ash", "dash", "hush", "busybox-sh"].contains(name) ? self.dialect : .bash
        if takesText {
            guard let text = rest.first else {
                if scene.takesMore { report("V6", "\(name) -c takes its program from what is read", at: position) }
                return
            }
            return program(text, dialect, scene)
        }
        if let file = rest.first, !readsInput {
            if isInput(file) { shellFromInput(dialect, scene, isCertain: file.isDynamic, at: position) }
            return
        }
        if scene.takesMore { return fromPipe(name, scene, at: position) }
        shellFromInput(dialect, scene, at: position)
    }

    /// A shell that reads its program from standard input.
    mutating func shellFromInput(
        _ dialect: ShellDialect, _ scene: ShellScene, isCertain: Bool = false, at position: Int?
    ) {
        if isCertain { return fromPipe("a shell", scene, at: position) }
        switch scene.input {
        case .none: return
        case .pipe: fromPipe("a shell", scene, at: position)
        case .text(let text):
            var inner = scene
            inner.input = .none
            program(text, dialect, inner)
        }
    }

    /// A program whose text must be known to the last byte.
    mutating func program(_ text: ShellArgument, _ dialect: ShellDialect, _ scene: ShellScene) {
        let position = text.position ?? scene.origin
        guard !text.isDynamic else {
            return report("V6", "the text of a program is only known when it runs; write it out", at: position)
        }
        let bytes = text.pieces.compactMap { piece -> UInt8? in
            switch piece {
            case .byte(let byte), .glob(let byte): byte
            case .home, .unknown: nil
            }
        }
        if scene.takesMore, mode.allowsOnlyPlainCommands, text.text.contains(scene.place) {
            return report("V6", "the text of a program is only known when it runs; give it an argument", at: position)
        }
        if let finding = text.text.isEmpty ? nil : InputGate.characters(text.text) {
            report(finding.rule, finding.message, at: position)
        }
        var inner = scene
        inner.depth += 1
        inner.origin = position ?? 0
        let outer = self.dialect
        self.dialect = dialect
        program(bytes, inner)
        self.dialect = outer
    }

    /// A text for another machine: only what is written here can be judged.
    mutating func remoteProgram(_ text: ShellArgument, _ scene: ShellScene) {
        guard text.isDynamic else { return program(text, dialect, scene) }
        let known = text.pieces.map { piece -> ShellPiece in
            switch piece {
            case .home, .unknown: .byte(UInt8(ascii: "_"))
            default: piece
            }
        }
        if case .unknown = text.pieces.first {
            return report("V4", "which program runs there is only known when it runs", at: text.position)
        }
        program(ShellArgument(pieces: known, position: text.position), dialect, scene)
    }

    // Programs that make commands of what they read

    private mutating func xargs(_ arguments: ArraySlice<ShellArgument>, _ scene: ShellScene) {
        let options = CommandOptions(
            arguments,
            OptionSpecification(
                letters: "IEdnLPsa", attached: "ile",
                long: ["arg-file", "delimiter", "max-args", "max-procs", "max-chars", "process-slot-var"]))
        var inner = scene
        inner.takesMore = true
        inner.input = .none
        var place = options.values(["-I", "--replace"]).last?.text
        if place == nil, options.has("-i", "-I", "--replace") { place = options.values(["-i"]).last?.text ?? "{}" }
        inner.place = place ?? inner.place
        run(options.operands, inner, wrappers: 1)
        guard case .pipe(let bytes?) = scene.input, !options.operands.isEmpty else { return }
        inner.takesMore = false
        let text = String(decoding: bytes, as: UTF8.self)
        if let place {
            for line in text.split(separator: "\n").prefix(16) {
                run(options.operands.map { $0.replacing(place, with: String(line)) }, inner, wrappers: 1)
            }
        } else {
            let words = text.split { $0 == " " || $0 == "\n" || $0 == "\t" }.prefix(512)
            run(options.operands + words.map { ShellArgument($0.filter { !"'\"\\".contains($0) }) }, inner, wrappers: 1)
        }
    }

    private mutating func parallel(_ arguments: ArraySlice<ShellArgument>, _ scene: ShellScene, at position: Int?) {
        let options = CommandOptions(
            arguments,
            OptionSpecification(
                letters: "jPnNLIsSaCdEl",
                long: [
                    "jobs", "max-args", "max-procs", "sshlogin", "sshloginfile", "arg-file", "colsep", "delimiter",
                    "delay", "timeout", "retries", "joblog", "results", "tempdir", "tmpdir", "workdir", "load",
                    "memfree",
                    "halt", "block", "recstart", "recend", "basefile", "return", "shuf", "tagstring", "env", "profile",
                ]))
        let marks: Set = [":::", "::::", ":::+", "::::+"]
        let words = options.operands.prefix { !marks.contains($0.text) }
        let values = options.operands.dropFirst(words.count).filter { !marks.contains($0.text) }
        guard !words.isEmpty else {
            if values.isEmpty { return shellFromInput(dialect, scene, at: position) }
            for value in values.prefix(64) { remoteProgram(value, scene) }
            return
        }
        let text = CommandUnwrapper.joined(words)
        var inner = scene
        inner.takesMore = true
        inner.input = .none
        remoteProgram(text, inner)
        inner.takesMore = false
        for value in values.prefix(16) where value.literal != nil {
            let full =
                text.text.contains("{}")
                ? text.replacing("{}", with: value.text) : CommandUnwrapper.joined(Array(words) + [value])
            remoteProgram(full, inner)
        }
    }
}

extension ShellArgument {
    /// The argument with a text in place of another; expansions are kept.
    func replacing(_ place: String, with text: String) -> ShellArgument {
        let pattern = place.utf8.map { ShellPiece.byte($0) }
        guard !pattern.isEmpty else { return self }
        var result: [ShellPiece] = []
        var index = 0
        while index < pieces.count, result.count <= InputGate.maximumBytes * 4 {
            if pieces[index...].starts(with: pattern) {
                result += text.utf8.map { .byte($0) }
                index += pattern.count
            } else {
                result.append(pieces[index])
                index += 1
            }
        }
        return ShellArgument(pieces: result, position: position)
    }
}
