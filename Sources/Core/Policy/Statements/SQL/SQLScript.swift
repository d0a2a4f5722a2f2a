// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

/// The statements of a text, cut where the guard cuts it: what an executor sends is what was judged.
public struct SQLScript: Sendable, Hashable {
    /// One statement.
    public struct Statement: Sendable, Hashable {
        /// As it is written, comments included, without blanks around it and without the semicolon that ends it.
        public var source: String
        /// Where ``source`` is in the text, in bytes of UTF-8.
        public var range: Range<Int>
        /// As the guard's rules see it: without comments, one blank where there were any outside quotes.
        public var canonical: String
        /// Its first keyword in capitals, brackets before it left out, such as `SELECT`.
        public var head: String
        /// Whether it changes nothing, as far as the text shows: functions it calls are not looked into. False when in
        /// doubt, and for reads that lock rows.
        public var isRead: Bool
    }

    /// All of them, in order; at least one.
    public let statements: [Statement]

    /// Whether all of them change nothing; see ``Statement/isRead``.
    public var isRead: Bool { statements.allSatisfy(\.isRead) }

    /// Cuts a text into its statements.
    ///
    /// Throws `invalid_argument` for a text that the guard refuses with `sql.syntax` too: one that cannot be read with
    /// certainty, or that holds no statement; for one that is over ``StatementGuard/maximumBytes`` bytes; and for a
    /// language that is no SQL.
    public init(_ text: String, _ language: StatementLanguage) throws(DeployError) {
        guard let dialect = SQLDialect(language) else {
            throw DeployError(.invalidArgument, "\(language.rawValue) is no SQL")
        }
        let bytes = Array(text.utf8)
        guard bytes.count <= StatementGuard.maximumBytes else {
            throw DeployError(
                .invalidArgument, "the text is over \(StatementGuard.maximumBytes) bytes", hint: "send it in parts")
        }
        do throws(SQLLexicalError) {
            statements = try Self.read(bytes, dialect)
        } catch {
            throw DeployError(.invalidArgument, "\(error.message) (at byte \(error.position))")
        }
        guard !statements.isEmpty else { throw DeployError(.invalidArgument, "there is no statement") }
    }

    private static func read(_ bytes: [UInt8], _ dialect: SQLDialect) throws(SQLLexicalError) -> [Statement] {
        var lexer = SQLLexer(bytes, dialect)
        let tokens = try lexer.run()
        let reader = try SQLGuard(tokens, bytes, dialect)
        let semicolons = tokens.filter { $0.kind == .symbol && $0.text == ";" }.map(\.range)
        if let semicolon = semicolons.first(where: { place in lexer.conditional.contains { $0.overlaps(place) } }) {
            throw SQLLexicalError(
                position: semicolon.lowerBound, message: "a version comment with a semicolon in it cannot be cut")
        }
        return reader.statements().map { range in
            let head = range.first { !reader.symbol($0, "(") } ?? range.lowerBound
            // What goes with a statement lies between the semicolons around it.
            let start = range.lowerBound > 0 ? tokens[range.lowerBound - 1].range.upperBound : 0
            let end = range.upperBound < tokens.count ? tokens[range.upperBound].range.lowerBound : bytes.count
            let place = trimmed(start..<end, bytes, tokens[range])
            let isCertain = !lexer.conditional.contains { $0.overlaps(tokens[head].range) }
            return Statement(
                source: String(decoding: bytes[place], as: UTF8.self), range: place, canonical: reader.canonical(range),
                head: tokens[head].kind == .word ? tokens[head].text : "",
                isRead: isCertain && reader.isRead(head..<range.upperBound))
        }
    }

    /// Without blanks at both ends, and without the semicolon that ends a stored program.
    private static func trimmed(_ place: Range<Int>, _ bytes: [UInt8], _ tokens: ArraySlice<SQLToken>) -> Range<Int> {
        func isBlank(_ byte: UInt8) -> Bool { (0x09...0x0D).contains(byte) || byte == 0x20 }
        var start = place.lowerBound
        var end = place.upperBound
        if let last = tokens.last, last.kind == .symbol, last.text == ";" { end = last.range.lowerBound }
        while start < end, isBlank(bytes[start]) { start += 1 }
        while end > start, isBlank(bytes[end - 1]) { end -= 1 }
        return start..<end
    }
}

extension SQLScript.Statement {
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

extension SQLDialect {
    /// Nil for what is no SQL.
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
    /// Whether the statement in `range`, which starts with its first keyword, changes nothing as far as its text shows.
    func isRead(_ range: Range<Int>) -> Bool {
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
