// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

extension ShellParser {
    /// Assignments, words and redirections, or the definition of a function.
    mutating func simpleCommand() throws(ShellSyntaxError) -> ShellCommand {
        _ = try peek()
        var command = ShellSimpleCommand(position: position(tokenStart))
        while true {
            if let word = try nextWord() {
                if command.words.isEmpty, let assignment = assignment(word) {
                    command.assignments.append(assignment)
                } else {
                    command.words.append(word)
                }
                continue
            }
            switch try peek() {
            case .redirection, .number:
                guard let redirection = try redirection() else { throw unexpected(try peek()) }
                command.redirections.append(redirection)
            case .symbol(.open):
                guard command.words.count == 1, command.assignments.isEmpty, command.redirections.isEmpty else {
                    throw unexpected(.symbol(.open))
                }
                return try function(named: command.words[0])
            case let token:
                if command.words.isEmpty, command.assignments.isEmpty, command.redirections.isEmpty {
                    throw unexpected(token)
                }
                return .simple(command)
            }
        }
    }

    private mutating func function(named word: ShellWord) throws(ShellSyntaxError) -> ShellCommand {
        guard let name = word.plain, dialect == .bash || Self.isName(name) && !Self.specialBuiltins.contains(name)
        else { throw error("a function cannot have this name", at: tokenStart) }
        if !Self.isName(name) || Self.specialBuiltins.contains(name) { differs = true }
        mark("a function", tokenStart)
        _ = try next()
        try expect(symbol: .close)
        try skipNewlines()
        try enter()
        let body = try command()
        depth -= 1
        return .function(name: name, body: body)
    }

    /// `function name { }`, with or without `()`.
    mutating func bashFunction() throws(ShellSyntaxError) -> ShellCommand {
        mark("function", tokenStart)
        _ = try next()
        guard case .word(let word) = try peek(), let name = word.plain else { throw unexpected(try peek()) }
        _ = try next()
        if case .symbol(.open) = try peek() {
            _ = try next()
            try expect(symbol: .close)
        }
        try skipNewlines()
        try enter()
        let body = try command()
        depth -= 1
        return .function(name: name, body: body)
    }

    private static let specialBuiltins: Set<String> = [
        "break", "continue", "eval", "exec", "exit", "export", "readonly", "return", "set", "shift", "times", "trap",
        "unset",
    ]

    private mutating func assignment(_ word: ShellWord) -> ShellAssignment? {
        guard case .text(let bytes, quoted: false) = word.parts.first,
            let equals = bytes.firstIndex(of: UInt8(ascii: "="))
        else { return nil }
        var name = bytes[..<equals]
        if dialect == .bash {
            if name.last == UInt8(ascii: "+") { name.removeLast() }
            if name.last == UInt8(ascii: "]"), let bracket = name.firstIndex(of: UInt8(ascii: "[")) {
                name = name[..<bracket]
            }
        }
        let text = String(decoding: name, as: UTF8.self)
        guard Self.isName(text) else { return nil }
        if name.count < equals - bytes.startIndex { differs = true }
        var parts = word.parts
        parts[0] = .text(Array(bytes[(equals + 1)...]), quoted: false)
        return ShellAssignment(name: text, value: ShellWord(parts: parts, position: word.position))
    }

    /// A redirection, if the next token begins one.
    mutating func redirection() throws(ShellSyntaxError) -> ShellRedirection? {
        var token = try peek()
        let start = tokenStart
        if case .number = token {
            _ = try next()
            token = try peek()
        }
        guard case .redirection(let symbol) = token else { return nil }
        _ = try next()
        guard case .word(let target) = try peek() else { throw unexpected(try peek()) }
        // A document begins after the line on which its delimiter stands: it is announced before the next token.
        var value = ShellRedirection(kind: .write, target: target, position: position(start))
        switch symbol {
        case .less: value.kind = .read
        case .document, .indentedDocument:
            value.kind = .hereDocument
            mark("a here-document", start)
            value.document = try announce(target, stripsTabs: symbol == .indentedDocument)
        case .string:
            value.kind = .hereString
            mark("a here-string", start)
        case .duplicateOutput, .duplicateInput:
            let isDescriptor = target.plain.map { $0 == "-" || Self.isDescriptor($0) } ?? false
            if isDescriptor {
                value.kind = .duplicate
            } else if dialect == .posix, target.isStatic {
                throw error("'\(symbol.rawValue)' needs a number", at: start)
            } else {
                differs = true
                value.kind = symbol == .duplicateInput ? .duplicate : .write
            }
        default: break
        }
        _ = try next()
        return value
    }

    private static func isDescriptor(_ text: String) -> Bool {
        let digits = text.hasSuffix("-") ? text.dropLast() : Substring(text)
        return !digits.isEmpty && digits.utf8.allSatisfy { (48...57).contains($0) }
    }

    /// Whether a text is a valid name of a variable.
    static func isName(_ text: String) -> Bool {
        guard let first = text.utf8.first, !(48...57).contains(first) else { return false }
        return text.utf8.allSatisfy(isNameByte)
    }

    static func isNameByte(_ byte: UInt8) -> Bool {
        (48...57).contains(byte) || (65...90).contains(byte) || (97...122).contains(byte) || byte == 95
    }

    // Errors and expectations

    mutating func expect(symbol: ShellOperator) throws(ShellSyntaxError) {
        guard try peekSymbol() == symbol else { throw unexpected(try peek()) }
        skip()
    }

    mutating func expect(word: ShellReservedWord) throws(ShellSyntaxError) {
        guard try peekReserved() == word else { throw unexpected(try peek()) }
        skip()
    }

    mutating func skipNewlines() throws(ShellSyntaxError) {
        while case .newline = try peek() { _ = try next() }
    }

    func endsList(_ token: ShellToken) -> Bool {
        switch token {
        case .symbol(.close), .symbol(.caseEnd), .symbol(.caseThrough), .symbol(.caseNext): true
        case .word(let word):
            switch word.reserved {
            case .do, .done, .elif, .else, .esac, .fi, .then, .close: true
            default: false
            }
        default: false
        }
    }

    mutating func enter() throws(ShellSyntaxError) {
        depth += 1
        guard depth <= Self.maximumDepth else {
            throw ShellSyntaxError(
                message: "commands stand in commands more than \(Self.maximumDepth) levels deep",
                position: position(at), isBound: true)
        }
    }

    mutating func mark(_ what: String, _ start: Int) {
        marks.append(ShellMark(what: what, position: position(start)))
    }

    func position(_ index: Int) -> Int { origin ?? index }

    func error(_ message: String, at index: Int) -> ShellSyntaxError {
        ShellSyntaxError(message: message, position: position(index))
    }

    func unexpected(_ token: ShellToken) -> ShellSyntaxError {
        let what =
            switch token {
            case .end: "the text ends too early"
            case .newline: "the line ends too early"
            case .symbol(let symbol), .redirection(let symbol): "'\(symbol.rawValue)' is not expected here"
            case .number: "a number is not expected here"
            case .word(let word): "'\((word.plain ?? "a word").prefix(40))' is not expected here"
            }
        return error(what, at: tokenStart)
    }
}

extension ShellWord {
    /// Whether it has no expansions.
    var isStatic: Bool { parts.allSatisfy { if case .text = $0 { true } else { false } } }
}
