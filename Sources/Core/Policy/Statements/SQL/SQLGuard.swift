// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

/// Reads SQL and applies the rules whose ids start with `sql.`.
struct SQLGuard {
    /// The most kinds of version comments that are judged in every combination.
    static let versions = 3
    /// The deepest nesting of statements in texts of other statements.
    static let depth = 4

    /// The most statements inside each other in one text.
    static let levels = 8

    let dialect: SQLDialect
    let tokens: [SQLToken]
    let closing: [Int]
    /// For each token, the index of the bracket or semicolon that ends what it is part of.
    let ends: [Int]
    let bytes: [UInt8]
    let nesting: Int
    /// How many statements the current one is inside of.
    private var level = 0
    var report = StatementReport()

    /// Reads a text in every way a server may.
    static func read(_ bytes: [UInt8], _ dialect: SQLDialect, nesting: Int = 0) -> StatementReport {
        var lexer = SQLLexer(bytes, dialect)
        do {
            let tokens = try lexer.run()
            let versions = lexer.versions.sorted()
            guard versions.count <= Self.versions else {
                return .unreadable("sql.conditional", 0, "more than \(Self.versions) kinds of version comments")
            }
            var report = try judged(tokens, bytes, dialect, nesting)
            var known = Set(report.statements)
            for choice in 1..<(1 << versions.count) {
                let skipped = Set(versions.indices.filter { choice & (1 << $0) != 0 }.map { versions[$0] })
                var lexer = SQLLexer(bytes, dialect, skipped: skipped)
                let other = try judged(try lexer.run(), bytes, dialect, nesting)
                report.findings += other.findings
                report.statements += other.statements.filter { known.insert($0).inserted }
            }
            return report
        } catch {
            return .unreadable(error.rule, error.position, error.message)
        }
    }

    private static func judged(
        _ tokens: [SQLToken], _ bytes: [UInt8], _ dialect: SQLDialect, _ nesting: Int
    ) throws(SQLLexicalError) -> StatementReport {
        var reader = try SQLGuard(tokens, bytes, dialect, nesting: nesting)
        for range in reader.statements() {
            reader.report.statements.append(reader.canonical(range))
            reader.statement(range)
        }
        return reader.report
    }

    /// Finds brackets that belong together; throws when there are some that do not.
    init(_ tokens: [SQLToken], _ bytes: [UInt8], _ dialect: SQLDialect, nesting: Int = 0) throws(SQLLexicalError) {
        var closing = Array(tokens.indices)
        var open: [Int] = []
        for (index, token) in tokens.enumerated() where token.kind == .symbol {
            if token.text == "(" {
                open.append(index)
            } else if token.text == ")" {
                guard let start = open.popLast() else {
                    throw SQLLexicalError(position: token.range.lowerBound, message: "')' without '('")
                }
                closing[start] = index
            } else if token.text == ";", let start = open.last {
                throw SQLLexicalError(position: tokens[start].range.lowerBound, message: "'(' is not closed")
            }
        }
        if let start = open.last {
            throw SQLLexicalError(position: tokens[start].range.lowerBound, message: "'(' is not closed")
        }
        var ends = Array(repeating: tokens.count, count: tokens.count)
        var outer: [Int] = [tokens.count]
        for (index, token) in tokens.enumerated().reversed() {
            let isSymbol = token.kind == .symbol
            if isSymbol, token.text == ";" { outer[outer.count - 1] = index }
            if isSymbol, token.text == ")" {
                outer.append(index)
            } else if isSymbol, token.text == "(", outer.count > 1 {
                outer.removeLast()
            }
            ends[index] = outer[outer.count - 1]
        }
        self.dialect = dialect
        self.tokens = tokens
        self.closing = closing
        self.ends = ends
        self.bytes = bytes
        self.nesting = nesting
    }

    /// The tokens of each statement, without the semicolons between them.
    func statements() -> [Range<Int>] {
        var statements: [Range<Int>] = []
        var start = 0
        while start < tokens.count {
            if symbol(start, ";") {
                start += 1
                continue
            }
            var end = start
            while end < tokens.count, !symbol(end, ";") { end += 1 }
            // The body of a stored program holds semicolons of its own: all the rest belongs to it.
            if isRoutine(start..<end), dialect != .clickhouse, hasBody(start..<end) { end = tokens.count }
            statements.append(start..<end)
            start = end
        }
        return statements
    }

    /// Whether a definition goes on behind its first semicolon.
    private func hasBody(_ range: Range<Int>) -> Bool {
        dialect == .mysql || range.contains { word($0, "BEGIN") && word($0 + 1, "ATOMIC") }
    }

    /// Its tokens as they are written, with one blank where there were any blanks or comments.
    func canonical(_ range: Range<Int>) -> String {
        var result = ""
        for index in range {
            if index > range.lowerBound, tokens[index].spaced { result += " " }
            result += String(decoding: bytes[tokens[index].range], as: UTF8.self)
        }
        return result
    }

    // MARK: One statement

    /// Judges the statement in `range`, which may be inside another one.
    mutating func statement(_ range: Range<Int>) {
        guard let head = range.first(where: { !symbol($0, "(") }) else {
            return add("sql.syntax", range.lowerBound, "there is no statement")
        }
        guard level < Self.levels else { return add("sql.syntax", head, "too many statements inside each other") }
        level += 1
        defer { level -= 1 }
        let word = tokens[head].kind == .word ? tokens[head].text : ""
        guard SQLNames.heads(dialect).contains(word) else {
            return add("sql.syntax", head, "'\(tokens[head].text.prefix(40))' starts no statement that is known")
        }
        let rest = head..<range.upperBound
        if let (rule, name) = SQLNames.refused(word, dialect) {
            add(rule, head, "\(name) is refused")
        } else {
            byHead(word, rest)
        }
        calls(rest)
        if !["GRANT", "REVOKE", "COMMENT", "HELP", "SHOW"].contains(word), !plainExplain(rest) { changes(rest) }
    }

    private mutating func byHead(_ head: String, _ range: Range<Int>) {
        let start = range.lowerBound
        switch head {
        case "DROP": drop(range)
        case "CREATE", "ATTACH": create(range)
        case "ALTER": alter(range)
        case "REPLACE" where dialect == .clickhouse:
            add("sql.drop", start, "REPLACE TABLE drops the table that was there")
        case "INSERT", "REPLACE": into(range)
        case "SET", "RESET": settings(range)
        case "EXPLAIN", "DESC", "DESCRIBE", "ANALYZE", "ANALYSE": explained(range)
        case "PREPARE", "EXECUTE": dynamic(range)
        case "COPY": copy(range)
        case "LOAD": load(range)
        case "RENAME" where word(start + 1, "USER"): add("sql.account", start, "RENAME USER is refused")
        case "IMPORT":
            add(dialect == .mysql ? "sql.file" : "sql.remote", start, "IMPORT is refused")
        case "START" where !word(start + 1, "TRANSACTION"): add("sql.server", start, "START is refused")
        case "LOCK" where word(start + 1, "INSTANCE"): add("sql.server", start, "LOCK INSTANCE is refused")
        case "DO" where dialect == .postgres: routine(range, "a DO block")
        case "BEGIN" where word(start + 1, "NOT"): routine(range, "a compound statement")
        case "MOVE" where dialect == .clickhouse: add("sql.account", start, "MOVE changes who may do what")
        default: break
        }
    }

    // MARK: Changes of rows

    /// Finds DELETE and UPDATE wherever they can start a statement.
    private mutating func changes(_ range: Range<Int>) {
        let head = range.lowerBound
        for index in range where tokens[index].kind == .word {
            let isDelete = tokens[index].text == "DELETE"
            guard isDelete || tokens[index].text == "UPDATE", index == head || canStart(index, head) else { continue }
            let end = min(ends[index], range.upperBound)
            if isDelete { delete(index, end, isHead: index == head) } else { update(index, end) }
        }
    }

    private func canStart(_ index: Int, _ head: Int) -> Bool {
        let before = tokens[index - 1]
        if before.kind == .symbol { return ["(", ")", ";", ":"].contains(before.text) }
        // EXPLAIN ANALYZE FORMAT=TREE DELETE ...
        if oneOf(head, ["EXPLAIN", "DESC", "DESCRIBE", "ANALYZE"]) { return true }
        guard before.kind == .word else { return false }
        switch before.text {
        case "ROW": return word(head, "CREATE")
        case "ALSO", "INSTEAD", "ELSE", "BEGIN", "LOOP", "REPEAT", "ANALYZE", "ANALYSE", "VERBOSE", "ATOMIC", "NOTHING":
            return true
        case "THEN", "DO": return !word(index + 1, "SET")
        case "AS": return ["PREPARE", "CREATE", "EXPLAIN", "COPY"].contains(tokens[head].text)
        case "FOR": return word(head, "SET")
        default: return false
        }
    }

    private mutating func delete(_ index: Int, _ end: Int, isHead: Bool) {
        guard let from = find(["FROM"], index + 1, end, stop: ["DELETE", "UPDATE", "WHERE"]) else {
            if isHead { add("sql.syntax", index, "DELETE without FROM") }
            return
        }
        target(from + 1, index)
        filter(index, from + 1, end, "sql.delete-unfiltered", "DELETE")
    }

    private mutating func update(_ index: Int, _ end: Int) {
        guard let set = find(["SET"], index + 1, end, stop: ["DELETE", "UPDATE"]), set > index + 1 else { return }
        target(
            find(["ONLY", "LOW_PRIORITY", "IGNORE"], index + 1, min(index + 2, end), stop: []).map { $0 + 1 } ?? index
                + 1, index)
        filter(index, set + 1, end, "sql.update-unfiltered", "UPDATE")
    }

    private mutating func filter(_ index: Int, _ start: Int, _ end: Int, _ rule: String, _ name: String) {
        guard let place = find(["WHERE"], start, end, stop: ["DELETE", "UPDATE"]) else {
            return add(rule, index, "\(name) has no WHERE; say which rows are meant")
        }
        condition(place, end, rule, index, name)
    }

    private static let afterCondition: Set<String> = [
        "ORDER", "LIMIT", "RETURNING", "SETTINGS", "FORMAT", "DELETE", "UPDATE",
    ]

    /// Judges the condition behind the WHERE at `place`.
    mutating func condition(_ place: Int, _ end: Int, _ rule: String, _ index: Int, _ name: String) {
        var last = place + 1
        while last < end, !symbol(last, ","), !oneOf(last, Self.afterCondition) { last = max(last, closing[last]) + 1 }
        // Another change that starts inside: nothing is certain about where this condition ends.
        if oneOf(last, ["DELETE", "UPDATE"]), !symbol(last - 1, ",") {
            return add(rule, index, "the WHERE of this \(name) is unclear")
        }
        let reader = SQLCondition(tokens: tokens, closing: closing, dialect: dialect)
        if place + 1 >= last || reader.truth((place + 1)..<last).isOpen {
            add(rule, index, "the WHERE of this \(name) lets every row through")
        }
    }

    /// Notes a write to a table of the server itself.
    mutating func target(_ index: Int, _ at: Int) {
        guard index < tokens.count, [.word, .quoted].contains(tokens[index].kind) else { return }
        let name = tokens[index].text.lowercased()
        if symbol(index + 1, "."), SQLNames.isSystem(name, dialect) {
            add("sql.system-tables", at, "writes to the schema \(name) of the server itself")
        } else if dialect == .postgres, name.hasPrefix("pg_") {
            add("sql.system-tables", at, "writes to \(name), a table of the server itself")
        }
    }

    private mutating func into(_ range: Range<Int>) {
        guard let place = find(["INTO"], range.lowerBound, range.upperBound, stop: ["SELECT", "VALUES"]) else {
            return target(range.lowerBound + 1, range.lowerBound)
        }
        let table = word(place + 1, "TABLE") ? place + 2 : place + 1
        target(table, range.lowerBound)
        if find(["INFILE"], place, range.upperBound, stop: ["SELECT"]).map({ word($0 - 1, "FROM") }) == true {
            add("sql.file", range.lowerBound, "FROM INFILE reads a file")
        }
    }

    // MARK: Tokens

    func word(_ index: Int, _ text: String) -> Bool {
        tokens.indices.contains(index) && tokens[index].kind == .word && tokens[index].text == text
    }

    func oneOf(_ index: Int, _ texts: Set<String>) -> Bool {
        tokens.indices.contains(index) && tokens[index].kind == .word && texts.contains(tokens[index].text)
    }

    func symbol(_ index: Int, _ text: String) -> Bool {
        tokens.indices.contains(index) && tokens[index].kind == .symbol && tokens[index].text == text
    }

    /// The first of the words from `start` on, outside brackets, before any of `stop`.
    func find(_ words: [String], _ start: Int, _ end: Int, stop: [String]) -> Int? {
        var index = start
        while index < end, index < tokens.count {
            if tokens[index].kind == .word {
                if words.contains(tokens[index].text) { return index }
                if stop.contains(tokens[index].text) { return nil }
            }
            index = max(index, closing[index]) + 1
        }
        return nil
    }

    mutating func add(_ rule: String, _ index: Int, _ message: String) {
        let position = index < tokens.count ? tokens[index].range.lowerBound : bytes.count
        report.add(rule, position, message)
    }
}
