// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

/// One statement of a text of SQL, as the guard has read it: who runs a text runs exactly these.
public struct SQLStatement: Sendable, Hashable {
    /// Where it is in the text, in bytes of UTF-8: with its comments, without the semicolon behind it.
    public let range: Range<Int>
    /// Its tokens; comments are none.
    public let tokens: [SQLToken]
    /// For each token, how many brackets it is inside of.
    private let depths: [Int]

    init(range: Range<Int>, tokens: [SQLToken]) {
        self.range = range
        self.tokens = tokens
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

    /// The keyword it starts with, in capitals; empty when it starts with something else.
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
}

extension SQLStatement {
    /// The statements of a text, exactly as ``StatementGuard`` judges them.
    ///
    /// Throws `invalid_argument` when the text cannot be read, or when servers of some versions would end its statements
    /// elsewhere than others.
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
    /// Where the statements of a text are; throws for what cannot be read with certainty.
    static func split(_ bytes: [UInt8], _ dialect: SQLDialect) throws(SQLLexicalError) -> [SQLStatement] {
        var lexer = SQLLexer(bytes, dialect)
        let statements = try statements(lexer.run(), bytes, dialect)
        let versions = lexer.versions.sorted()
        guard versions.count <= Self.versions else {
            throw SQLLexicalError(position: 0, message: "more than \(Self.versions) kinds of version comments")
        }
        for choice in 1..<(1 << versions.count) {
            let skipped = Set(versions.indices.filter { choice & (1 << $0) != 0 }.map { versions[$0] })
            var lexer = SQLLexer(bytes, dialect, skipped: skipped)
            // Without its version comments a statement may be gone, but no other may begin or end.
            let known = Set(statements.map(\.range))
            for other in try Self.statements(lexer.run(), bytes, dialect) where !known.contains(other.range) {
                throw SQLLexicalError(
                    position: other.range.lowerBound, message: "a version comment changes where statements end")
            }
        }
        return statements
    }

    private static func statements(
        _ tokens: [SQLToken], _ bytes: [UInt8], _ dialect: SQLDialect
    ) throws(SQLLexicalError) -> [SQLStatement] {
        try splitter(tokens, bytes, dialect).ranges.map { range in
            let from = range.lowerBound == 0 ? 0 : tokens[range.lowerBound - 1].range.upperBound
            let to = range.upperBound == tokens.count ? bytes.count : tokens[range.upperBound].range.lowerBound
            return SQLStatement(range: trimmed(from..<to, bytes), tokens: Array(tokens[range]))
        }
    }

    private static func trimmed(_ range: Range<Int>, _ bytes: [UInt8]) -> Range<Int> {
        func isBlank(_ byte: UInt8) -> Bool { (0x09...0x0D).contains(byte) || byte == 0x20 }
        var range = range
        while let first = range.first, isBlank(bytes[first]) { range = range.dropFirst() }
        while let last = range.last, isBlank(bytes[last]) { range = range.dropLast() }
        return range
    }
}
