// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

/// What the grammar is made of.
enum ShellToken: Sendable {
    case word(ShellWord)
    /// A control operator.
    case symbol(ShellOperator)
    /// A redirection operator.
    case redirection(ShellOperator)
    /// The descriptor before a redirection operator.
    case number
    case newline
    case end
}

/// The operators of both dialects, as they are written; `&>>` is `&>` here.
enum ShellOperator: String, Sendable {
    case semicolon = ";"
    case background = "&"
    case and = "&&"
    case or = "||"
    case pipe = "|"
    case pipeBoth = "|&"
    case open = "("
    case close = ")"
    case caseEnd = ";;"
    case caseThrough = ";&"
    case caseNext = ";;&"

    case less = "<"
    case greater = ">"
    case append = ">>"
    case clobber = ">|"
    case readWrite = "<>"
    case duplicateInput = "<&"
    case duplicateOutput = ">&"
    case both = "&>"
    case document = "<<"
    case indentedDocument = "<<-"
    case string = "<<<"
}

/// A here-document whose lines are still to come.
struct PendingDocument: Sendable {
    var delimiter: [UInt8]
    var isQuoted: Bool
    var stripsTabs: Bool
    /// Its place in ``ShellParser/hereDocuments``.
    var index: Int
    var start: Int
}

extension ShellParser {
    mutating func peek() throws(ShellSyntaxError) -> ShellToken {
        if let lookahead { return lookahead }
        let token = try scan()
        lookahead = token
        return token
    }

    /// The control operator that comes next, if one does.
    mutating func peekSymbol() throws(ShellSyntaxError) -> ShellOperator? {
        if lookahead == nil { lookahead = try scan() }
        if case .symbol(let symbol) = lookahead { return symbol }
        return nil
    }

    /// The word that comes next, if it is one that may be reserved.
    mutating func peekReserved() throws(ShellSyntaxError) -> ShellReservedWord? {
        if lookahead == nil { lookahead = try scan() }
        if case .word(let word) = lookahead { return word.reserved }
        return nil
    }

    /// The word that comes next, stepped over, if one does.
    mutating func nextWord() throws(ShellSyntaxError) -> ShellWord? {
        let token = try next()
        if case .word(let word) = token { return word }
        lookahead = token
        return nil
    }

    mutating func next() throws(ShellSyntaxError) -> ShellToken {
        if let token = lookahead.take() { return token }
        return try scan()
    }

    /// Steps over the token that was looked at.
    mutating func skip() { lookahead = nil }

    /// The byte that many places ahead, as it stands.
    func byte(_ offset: Int) -> UInt8? { at + offset < bytes.count ? bytes[at + offset] : nil }

    /// The next byte outside single quotes: a backslash before a line end is not there for any shell.
    mutating func current() -> UInt8? {
        while at + 1 < bytes.count, bytes[at] == UInt8(ascii: "\\"), bytes[at + 1] == UInt8(ascii: "\n") { at += 2 }
        return at < bytes.count ? bytes[at] : nil
    }

    /// Steps over the next byte when it is this one.
    mutating func take(_ character: Unicode.Scalar) -> Bool {
        guard current() == UInt8(ascii: character) else { return false }
        at += 1
        return true
    }

    mutating func spend(_ steps: Int = 1) throws(ShellSyntaxError) {
        budget -= steps
        guard budget >= 0 else {
            throw ShellSyntaxError(message: "the text is too involved", position: position(at), isBound: true)
        }
    }

    private mutating func scan() throws(ShellSyntaxError) -> ShellToken {
        try spend()
        skipBlanks()
        tokenStart = at
        let start = at
        guard let first = current() else {
            try finishDocuments()
            return .end
        }
        switch first {
        case UInt8(ascii: "\n"):
            at += 1
            mark("a line end", start)
            try readDocuments()
            tokenStart = start
            return .newline
        case UInt8(ascii: ";"), UInt8(ascii: "&"), UInt8(ascii: "|"), UInt8(ascii: "("), UInt8(ascii: ")"):
            return control(first)
        case UInt8(ascii: "<"), UInt8(ascii: ">"):
            if dialect == .bash, nextIsParenthesis() { break }
            return .redirection(redirectionSymbol())
        default:
            if isDescriptorAhead() { return .number }
        }
        let word = try word()
        tokenStart = start
        return .word(word)
    }

    private mutating func skipBlanks() {
        while let byte = current() {
            if byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t") {
                at += 1
            } else if byte == UInt8(ascii: "#") {
                while at < bytes.count, bytes[at] != UInt8(ascii: "\n") { at += 1 }
            } else {
                return
            }
        }
    }

    private mutating func control(_ first: UInt8) -> ShellToken {
        at += 1
        switch first {
        case UInt8(ascii: ";"):
            guard take(";") else {
                if dialect == .bash, take("&") { return different(.symbol(.caseThrough)) }
                return .symbol(.semicolon)
            }
            if dialect == .bash, take("&") { return different(.symbol(.caseNext)) }
            return .symbol(.caseEnd)
        case UInt8(ascii: "&"):
            if take("&") { return .symbol(.and) }
            if dialect == .bash, current() == UInt8(ascii: ">") {
                at += 1
                _ = take(">")
                return different(.redirection(.both))
            }
            return .symbol(.background)
        case UInt8(ascii: "|"):
            if take("|") { return .symbol(.or) }
            if dialect == .bash, take("&") { return different(.symbol(.pipeBoth)) }
            return .symbol(.pipe)
        case UInt8(ascii: "("): return .symbol(.open)
        default: return .symbol(.close)
        }
    }

    private mutating func different(_ token: ShellToken) -> ShellToken {
        differs = true
        return token
    }

    private mutating func nextIsParenthesis() -> Bool {
        let start = at
        defer { at = start }
        at += 1
        return current() == UInt8(ascii: "(")
    }

    private mutating func redirectionSymbol() -> ShellOperator {
        let isRead = take("<")
        if !isRead { at += 1 }
        if isRead {
            if take("<") {
                if take("-") { return .indentedDocument }
                if dialect == .bash, take("<") {
                    differs = true
                    return .string
                }
                return .document
            }
            if take("&") { return .duplicateInput }
            return take(">") ? .readWrite : .less
        }
        if take(">") { return .append }
        if take("&") { return .duplicateOutput }
        return take("|") ? .clobber : .greater
    }

    /// Steps over the digits, or in bash the `{name}`, that stand before a redirection operator.
    private mutating func isDescriptorAhead() -> Bool {
        let start = at
        if dialect == .bash, byte(0) == UInt8(ascii: "{") {
            at += 1
            while let byte = current(), Self.isNameByte(byte) { at += 1 }
            if at > start + 1, take("}"), current() == UInt8(ascii: "<") || current() == UInt8(ascii: ">") {
                differs = true
                return true
            }
            at = start
            return false
        }
        var count = 0
        while let byte = current(), (48...57).contains(byte) {
            at += 1
            count += 1
        }
        if count > 0, dialect == .bash || count == 1, let byte = current(),
            byte == UInt8(ascii: "<") || byte == UInt8(ascii: ">"), !(dialect == .bash && nextIsParenthesis())
        {
            if count > 1 { differs = true }
            return true
        }
        at = start
        return false
    }
}
