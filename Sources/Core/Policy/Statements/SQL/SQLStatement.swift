// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

/// One statement of a text of SQL, as the guard has read it: who runs a text runs exactly these.
public struct SQLStatement: Sendable, Hashable {
    /// Where it is in the text, in bytes of UTF-8: with its comments, without blanks around it and without the semicolon that
    /// ends it.
    public let range: Range<Int>
    /// As it is written there.
    public let source: String
    /// As the guard's rules see it: without comments, one blank where there were any outside quotes.
    public let canonical: String
    /// Its tokens; comments are none.
    public let tokens: [SQLToken]
    /// Whether it changes nothing, as far as the text shows: functions it calls are not looked into. False when in doubt, and
    /// for reads that lock rows.
    public let isRead: Bool
    /// For each token, how many brackets it is inside of.
    private let depths: [Int]

    init(range: Range<Int>, source: String, canonical: String, tokens: [SQLToken], isRead: Bool) {
        self.range = range
        self.source = source
        self.canonical = canonical
        self.tokens = tokens
        self.isRead = isRead
        var depth = 0
        depths = tokens.map { token in
            if token.kind == .symbol, token.text == ")" { depth -= 1 }
            defer { if token.kind == .symbol, token.text == "(" { depth += 1 } }
            return depth
        }
    }

    /// Whether the token at `index` is that keyword or plain name, outside brackets; an index from the end is negative.
    public func isWord(_ index: Int, _ words: String...) -> Bool {
        let place = index < 0 ? tokens.count + index : index
        guard tokens.indices.contains(place), depths[place] == 0, tokens[place].kind == .word else { return false }
        return words.contains(tokens[place].text)
    }

    /// The first token that is one of the keywords, outside brackets.
    public func index(of words: String...) -> Int? {
        tokens.indices.first { depths[$0] == 0 && tokens[$0].kind == .word && words.contains(tokens[$0].text) }
    }

    /// The keyword it starts with, in capitals, brackets before it left out; empty when it starts with something else.
    public var head: String {
        guard let first = tokens.first(where: { $0.kind != .symbol || $0.text != "(" }), first.kind == .word else {
            return ""
        }
        return first.text
    }

    /// Its text; `source` is the text it was read from.
    public func text(in source: String) -> String {
        String(decoding: source.utf8.dropFirst(range.lowerBound).prefix(range.count), as: UTF8.self)
    }

    /// ``canonical`` of a statement of MySQL on one line: line ends inside strings are written as escapes. Nil when that
    /// cannot be, since a quoted name holds one.
    public var singleLine: String? {
        let bytes = Array(canonical.utf8)
        let newline = UInt8(ascii: "\n")
        let backslash = UInt8(ascii: "\\")
        guard bytes.contains(newline) else { return canonical }
        var lexer = SQLLexer(bytes, .mysql)
        guard let tokens = try? lexer.run() else { return nil }
        var result: [UInt8] = []
        var end = 0
        for token in tokens {
            let text = bytes[token.range]
            result += bytes[end..<token.range.lowerBound]
            end = token.range.upperBound
            guard text.contains(newline) else {
                result += text
                continue
            }
            guard token.kind == .string else { return nil }
            var isEscaped = false
            for byte in text {
                if byte == newline {
                    // An escaped line end is one itself.
                    result += isEscaped ? [UInt8(ascii: "n")] : [backslash, UInt8(ascii: "n")]
                    isEscaped = false
                } else {
                    result.append(byte)
                    isEscaped = byte == backslash && !isEscaped
                }
            }
        }
        return String(decoding: result + bytes[end...], as: UTF8.self)
    }
}

extension SQLStatement {
    /// The statements of a text, exactly as ``StatementGuard`` judges them.
    ///
    /// Throws `invalid_argument` when the text cannot be read with certainty, or when servers of some versions would end its
    /// statements elsewhere than others; `too_large` when it is over ``StatementGuard/maximumBytes``.
    public static func read(_ text: String, _ language: StatementLanguage) throws(DeployError) -> [SQLStatement] {
        guard let dialect = SQLDialect(language) else {
            throw DeployError(.invalidArgument, "\(language.rawValue) is not SQL")
        }
        let bytes = Array(text.utf8)
        guard bytes.count <= StatementGuard.maximumBytes else {
            throw DeployError(.tooLarge, "the text is over \(StatementGuard.maximumBytes) bytes; send it in parts")
        }
        do {
            return try SQLGuard.split(bytes, dialect)
        } catch {
            throw DeployError(.invalidArgument, "\(error.message) (at byte \(error.position))")
        }
    }
}

extension SQLDialect {
    init?(_ language: StatementLanguage) {
        switch language {
        case .mysql: self = .mysql
        case .postgres: self = .postgres
        case .clickhouse: self = .clickhouse
        case .mongo, .elasticsearch, .k8s: return nil
        }
    }
}

extension SQLGuard {
    /// The statements of a text; throws for what cannot be read with certainty.
    static func split(_ bytes: [UInt8], _ dialect: SQLDialect) throws(SQLLexicalError) -> [SQLStatement] {
        var lexer = SQLLexer(bytes, dialect)
        let statements = try statements(lexer.run(), bytes, dialect, conditional: lexer.conditional)
        let versions = lexer.versions.sorted()
        guard versions.count <= Self.versions else {
            throw SQLLexicalError(position: 0, message: "more than \(Self.versions) kinds of version comments")
        }
        // Without its version comments a statement may be gone, but no other may begin or end.
        let known = Set(statements.map(\.range))
        for choice in 1..<(1 << versions.count) {
            let skipped = Set(versions.indices.filter { choice & (1 << $0) != 0 }.map { versions[$0] })
            var lexer = SQLLexer(bytes, dialect, skipped: skipped)
            for other in try Self.statements(lexer.run(), bytes, dialect, conditional: [])
            where !known.contains(other.range) {
                throw SQLLexicalError(
                    position: other.range.lowerBound, message: "a version comment changes where statements end")
            }
        }
        return statements
    }

    private static func statements(
        _ tokens: [SQLToken], _ bytes: [UInt8], _ dialect: SQLDialect, conditional: [Range<Int>]
    ) throws(SQLLexicalError) -> [SQLStatement] {
        let reader = try SQLGuard(tokens, bytes, dialect)
        if let semicolon = tokens.first(where: { token in
            token.kind == .symbol && token.text == ";" && conditional.contains { $0.overlaps(token.range) }
        }) {
            throw SQLLexicalError(
                position: semicolon.range.lowerBound, message: "a version comment changes where statements end")
        }
        return reader.statements().map { range in
            let head = range.first { !reader.symbol($0, "(") } ?? range.lowerBound
            // What goes with a statement lies between the semicolons around it.
            let from = range.lowerBound == 0 ? 0 : tokens[range.lowerBound - 1].range.upperBound
            let to = range.upperBound == tokens.count ? bytes.count : tokens[range.upperBound].range.lowerBound
            let place = trimmed(from..<to, bytes, tokens[range])
            let isCertain = !conditional.contains { $0.overlaps(tokens[head].range) }
            return SQLStatement(
                range: place, source: String(decoding: bytes[place], as: UTF8.self), canonical: reader.canonical(range),
                tokens: Array(tokens[range]), isRead: isCertain && reader.isRead(head..<range.upperBound))
        }
    }

    /// Without blanks at both ends, and without the semicolon that ends a stored program.
    private static func trimmed(_ range: Range<Int>, _ bytes: [UInt8], _ tokens: ArraySlice<SQLToken>) -> Range<Int> {
        func isBlank(_ byte: UInt8) -> Bool { (0x09...0x0D).contains(byte) || byte == 0x20 }
        var range = range
        if let last = tokens.last, last.kind == .symbol, last.text == ";" {
            range = range.lowerBound..<last.range.lowerBound
        }
        while let first = range.first, isBlank(bytes[first]) { range = range.dropFirst() }
        while let last = range.last, isBlank(bytes[last]) { range = range.dropLast() }
        return range
    }

    /// Whether the statement in `range`, which starts with its first keyword, changes nothing as far as its text shows.
    private func isRead(_ range: Range<Int>) -> Bool {
        let head = range.lowerBound
        guard tokens[head].kind == .word else { return false }
        switch tokens[head].text {
        case "SHOW", "HELP", "CHECKSUM", "EXISTS": return dialect != .postgres || tokens[head].text == "SHOW"
        case "SELECT", "WITH", "VALUES", "TABLE", "FROM": return !mayChange(range)
        case "EXPLAIN", "DESC", "DESCRIBE": return plainExplain(range) || !mayChange(range)
        case "ANALYZE" where dialect == .mysql:
            let next = head + 1 < range.upperBound && word(head + 1, "FORMAT") ? head + 4 : head + 1
            return oneOf(next, ["SELECT", "WITH"]) && !mayChange(range)
        default: return false
        }
    }

    /// Whether there is a word that a change, or a read that locks, cannot do without.
    private func mayChange(_ range: Range<Int>) -> Bool {
        let words: Set = ["INTO", "DELETE", "UPDATE", "MERGE", "CREATE", "EXECUTE", "CALL", "SHARE", "LOCK", "REFRESH"]
        return range.contains { index in
            if oneOf(index, words) { return true }
            // Both are functions as well.
            return oneOf(index, ["INSERT", "REPLACE"]) && !symbol(index + 1, "(")
        }
    }
}
