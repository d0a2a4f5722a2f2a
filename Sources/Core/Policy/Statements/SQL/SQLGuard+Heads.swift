// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

/// Statements by the word they start with.
extension SQLGuard {
    private static let accounts: Set<String> = ["USER", "ROLE", "GROUP", "QUOTA", "POLICY", "PROFILE"]

    mutating func drop(_ range: Range<Int>) {
        let start = range.lowerBound
        if word(start + 1, "PREPARE") { return }
        if oneOf(start + 1, Self.accounts) { return add("sql.account", start, "DROP of a user or role is refused") }
        add("sql.drop", start, "DROP removes an object and what it holds")
    }

    mutating func create(_ range: Range<Int>) {
        let start = range.lowerBound
        let modifiers: Set = [
            "OR", "REPLACE", "TEMPORARY", "TEMP", "UNLOGGED", "GLOBAL", "LOCAL", "TRUSTED", "PROCEDURAL", "AGGREGATE",
            "CONSTRAINT", "EVENT", "SETTINGS", "ROW", "MASKING", "DEFINER", "IF", "NOT", "EXISTS",
        ]
        let kind = range.dropFirst().first { !oneOf($0, modifiers) } ?? start
        let name = kind < range.upperBound && tokens[kind].kind == .word ? tokens[kind].text : ""
        let replaces = find(["REPLACE"], start, kind, stop: []) != nil
        if replaces, name == "TABLE" || name == "DICTIONARY" || name == "SEQUENCE" || name == "DATABASE" {
            add("sql.drop", start, "CREATE OR REPLACE drops what was there")
        }
        if isRoutine(range) { routine(range, "a stored program") }
        switch name {
        case "USER", "ROLE", "GROUP", "QUOTA", "PROFILE", "POLICY":
            if name == "USER", word(kind + 1, "MAPPING") {
                add("sql.remote", start, "CREATE USER MAPPING is refused")
            } else {
                add("sql.account", start, "CREATE \(name) is refused")
            }
        case "SERVER", "SUBSCRIPTION", "FOREIGN", "PUBLICATION": add("sql.remote", start, "CREATE \(name) is refused")
        case "EXTENSION", "LANGUAGE", "MODULE": add("sql.code", start, "CREATE \(name) is refused")
        case "TABLESPACE", "LOGFILE", "UNDO": add("sql.file", start, "CREATE \(name) names files of the server")
        case "RESOURCE", "WORKLOAD": add("sql.server", start, "CREATE \(name) is refused")
        default: break
        }
        if word(start, "ATTACH"), find(["FROM"], start, range.upperBound, stop: []) != nil {
            add("sql.file", start, "ATTACH ... FROM reads a path of the server")
        }
        storage(range)
    }

    /// What a table is stored in.
    mutating func storage(_ range: Range<Int>) {
        for index in range where tokens[index].kind == .word {
            switch tokens[index].text {
            case "ENGINE", "TYPE":
                let name = symbol(index + 1, "=") ? index + 2 : index + 1
                guard name < range.upperBound, tokens[index].text == "ENGINE" || symbol(index + 1, "=") else {
                    continue
                }
                if let rule = SQLNames.engine(tokens[name].text.lowercased(), dialect) {
                    add(rule, index, "the engine \(tokens[name].text.lowercased()) reaches beyond this server")
                }
            case "SOURCE" where symbol(index + 1, "(") && dialect == .clickhouse:
                if index + 2 < range.upperBound {
                    let name = tokens[index + 2].text.lowercased()
                    let rule = SQLNames.function(name, dialect) ?? (name == "http" ? "sql.remote" : nil)
                    if let rule { add(rule, index, "the source \(name) reaches beyond this server") }
                }
            case "DATA", "INDEX":
                if word(index + 1, "DIRECTORY") { add("sql.file", index, "DIRECTORY names a path of the server") }
            case "DATAFILE": add("sql.file", index, "DATAFILE names a file of the server")
            default: break
            }
        }
    }

    func isRoutine(_ range: Range<Int>) -> Bool {
        guard word(range.lowerBound, "CREATE") || word(range.lowerBound, "ALTER") else { return false }
        let stop = ["TABLE", "VIEW", "INDEX", "DATABASE", "SCHEMA", "USER", "ROLE", "TYPE", "SEQUENCE", "AS"]
        let names = ["PROCEDURE", "FUNCTION", "TRIGGER", "EVENT", "RULE", "PACKAGE"]
        let end = min(range.upperBound, range.lowerBound + 24)
        return find(names, range.lowerBound + 1, end, stop: stop) != nil
    }

    /// Code that is stored: refused, and what of it can be seen is judged as well.
    mutating func routine(_ range: Range<Int>, _ what: String) {
        let start = range.lowerBound
        add("sql.routine", start, "\(what) runs text that is not judged here")
        if let place = find(["LANGUAGE"], start, range.upperBound, stop: []), place + 1 < range.upperBound {
            let name = tokens[place + 1].text.lowercased()
            if !["sql", "plpgsql"].contains(name) { add("sql.code", place, "the language \(name) can do anything") }
        }
        if let place = find(["SONAME"], start, range.upperBound, stop: []) {
            add("sql.code", place, "SONAME loads a library into the server")
        }
        guard dialect == .mysql else { return }
        let openers: Set = ["BEGIN", "THEN", "ELSE", "DO", "LOOP", "REPEAT"]
        for index in range.dropFirst() where oneOf(index - 1, openers) || symbol(index - 1, ";") {
            guard index > start + 1, tokens[index].kind == .word, let (rule, name) = stored(index) else { continue }
            add(rule, index, "\(name) is refused")
        }
    }

    private func stored(_ index: Int) -> (rule: String, message: String)? {
        if word(index, "DROP"), !word(index + 1, "PREPARE") { return ("sql.drop", "DROP") }
        return SQLNames.refused(tokens[index].text, dialect)
    }

    mutating func alter(_ range: Range<Int>) {
        let start = range.lowerBound
        if word(start + 1, "SYSTEM") { return add("sql.settings", start, "ALTER SYSTEM changes the server") }
        if word(start + 1, "INSTANCE") { return add("sql.server", start, "ALTER INSTANCE changes the server") }
        let kinds: Set = ["USER", "ROLE", "GROUP", "QUOTA", "POLICY", "PROFILE"]
        let privileges = word(start + 1, "DEFAULT") && word(start + 2, "PRIVILEGES")
        if privileges || oneOf(start + 1, kinds) || (oneOf(start + 1, ["ROW", "SETTINGS"]) && oneOf(start + 2, kinds)) {
            return add("sql.account", start, "ALTER of users, roles and rights is refused")
        }
        if oneOf(start + 1, ["SERVER", "FOREIGN", "SUBSCRIPTION"]) {
            add("sql.remote", start, "ALTER of another server")
        }
        if oneOf(start + 1, ["EXTENSION", "LANGUAGE"]) { add("sql.code", start, "ALTER of code of the server") }
        if word(start + 1, "DATABASE"), find(["SET"], start, range.upperBound, stop: []) != nil, dialect == .postgres {
            add("sql.settings", start, "ALTER DATABASE ... SET changes settings of all later sessions")
        }
        if isRoutine(range), dialect == .mysql { routine(range, "a stored program") }
        storage(range)
        var index = start + 1
        while index < range.upperBound {
            if tokens[index].kind == .word { alteration(index, range) }
            index = max(index, closing[index]) + 1
        }
    }

    private mutating func alteration(_ index: Int, _ range: Range<Int>) {
        let before = tokens[index - 1]
        // A clause follows the name of the table, or a comma; after these words it is part of another clause.
        let starts =
            !(before.kind == .word && ["ADD", "ALTER", "COLUMN", "TO", "SET", "RENAME", "AFTER"].contains(before.text))
        switch tokens[index].text {
        case "DROP":
            let harmless: Set = [
                "INDEX", "KEY", "FOREIGN", "PRIMARY", "CONSTRAINT", "CHECK", "DEFAULT", "NOT", "IDENTITY", "EXPRESSION",
                "STATISTICS", "PROJECTION", "CLUSTER", "COMMENT",
            ]
            if !oneOf(index + 1, harmless) { add("sql.alter-drop", index, "ALTER ... DROP loses what is stored") }
        case "TRUNCATE" where starts: add("sql.truncate", index, "TRUNCATE PARTITION empties a part of the table")
        case "DISCARD" where starts, "CLEAR" where starts && oneOf(index + 1, ["COLUMN", "INDEX", "PROJECTION"]):
            if !oneOf(index + 1, ["INDEX", "PROJECTION"]) {
                add("sql.alter-drop", index, "\(tokens[index].text) loses what is stored")
            }
        case "REPLACE" where word(index + 1, "PARTITION") || word(index + 1, "PART"):
            add("sql.alter-drop", index, "REPLACE PARTITION loses what was in it")
        case "OWNER" where word(index + 1, "TO"): add("sql.account", index, "OWNER TO changes who may do what")
        case "DELETE" where dialect == .clickhouse && starts, "UPDATE" where dialect == .clickhouse && starts:
            let name = tokens[index].text
            let rule = name == "DELETE" ? "sql.delete-unfiltered" : "sql.update-unfiltered"
            guard let place = find(["WHERE"], index + 1, range.upperBound, stop: ["DELETE"]) else {
                return add(rule, index, "\(name) has no WHERE; say which rows are meant")
            }
            condition(place, range.upperBound, rule, index, name)
        default: break
        }
    }

    mutating func settings(_ range: Range<Int>) {
        let start = range.lowerBound
        if word(start, "RESET"), dialect == .mysql { return add("sql.server", start, "RESET is refused") }
        if word(start + 1, "STATEMENT"), let place = find(["FOR"], start, range.upperBound, stop: []) {
            if place + 1 < range.upperBound { statement((place + 1)..<range.upperBound) }
        }
        let scope = start + (oneOf(start + 1, ["SESSION", "LOCAL"]) ? 2 : 1)
        if oneOf(scope, ["PASSWORD", "ROLE", "AUTHORIZATION"])
            || (word(start + 1, "DEFAULT") && word(start + 2, "ROLE"))
        {
            return add("sql.account", start, "changes who this session is or may do")
        }
        if word(start + 1, "RESOURCE") { add("sql.server", start, "SET RESOURCE GROUP is refused") }
        for index in range.dropFirst() where [.word, .quoted].contains(tokens[index].kind) && !isValue(index) {
            let name = tokens[index].text.lowercased()
            let first = index == start + 1 || symbol(index - 1, ",") || symbol(index - 1, "@")
            let assigned = symbol(index + 1, "=") || symbol(index + 1, ":=")
            if first, ["global", "persist", "persist_only"].contains(name), !assigned {
                add("sql.settings", index, "changes a setting of the whole server")
            } else if name == "sql_mode" {
                mode(index, range)
            } else if name == "names" || name == "charset" || (name == "set" && word(index - 1, "CHARACTER")) {
                characterSet(index, range)
            } else if name == "client_encoding" || (name.hasPrefix("character_set_") && name != "character_set_results")
            {
                characterSet(symbol(index + 1, "=") || word(index + 1, "TO") ? index + 1 : index, range)
            } else if SQLNames.settings.contains(name), !symbol(index - 1, "=") {
                add("sql.settings", index, "\(name) changes how statements are read or checked")
            }
        }
    }

    /// Whether a name is on the right of an assignment: `@old = @@session.sql_mode`.
    private func isValue(_ index: Int) -> Bool {
        var before = index - 1
        while symbol(before, "@") || symbol(before, ".") || oneOf(before, ["SESSION", "GLOBAL", "LOCAL"]) {
            before -= 1
        }
        return symbol(before, "=") || symbol(before, ":=")
    }

    private mutating func mode(_ index: Int, _ range: Range<Int>) {
        var value = index + 1
        if symbol(value, "=") || symbol(value, ":=") { value += 1 }
        guard value < range.upperBound, tokens[value].kind == .string || word(value, "DEFAULT") else {
            return add("sql.settings", index, "sql_mode is not a plain text here")
        }
        let text = tokens[value].text.uppercased()
        let ends = value + 1 >= range.upperBound || symbol(value + 1, ",")
        if !ends
            || ["ANSI", "NO_BACKSLASH_ESCAPES", "ORACLE", "MSSQL", "DB2", "POSTGRESQL", "MAXDB"].contains(
                where: text.contains)
        {
            add("sql.settings", index, "this sql_mode changes how quotes are read")
        }
    }

    private mutating func characterSet(_ index: Int, _ range: Range<Int>) {
        let value = symbol(index + 1, "=") ? index + 2 : index + 1
        guard value < range.upperBound, SQLNames.safeCharacterSets.contains(tokens[value].text.lowercased()) else {
            return add("sql.settings", index, "this character set changes how quotes are read")
        }
    }

    // MARK: Statements in statements

    /// Whether it only shows a plan, without running anything.
    func plainExplain(_ range: Range<Int>) -> Bool {
        guard oneOf(range.lowerBound, ["EXPLAIN", "DESC", "DESCRIBE"]) else { return false }
        return analyzed(range) == nil
    }

    /// Where ANALYZE stands among the options of an EXPLAIN.
    private func analyzed(_ range: Range<Int>) -> Int? {
        let starts: Set = [
            "SELECT", "INSERT", "UPDATE", "DELETE", "REPLACE", "MERGE", "WITH", "VALUES", "CREATE", "EXECUTE",
        ]
        for index in range.dropFirst() {
            if oneOf(index, ["ANALYZE", "ANALYSE"]) { return index }
            if oneOf(index, starts) { return nil }
        }
        return nil
    }

    mutating func explained(_ range: Range<Int>) {
        let start = range.lowerBound
        if oneOf(start, ["ANALYZE", "ANALYSE"]), dialect != .mysql { return }
        if plainExplain(range) { return }
        let others: Set = [
            "DROP", "TRUNCATE", "ALTER", "CREATE", "GRANT", "LOAD", "EXECUTE", "CALL", "DO", "COPY", "REFRESH",
        ]
        let starts = others.union([
            "SELECT", "INSERT", "UPDATE", "DELETE", "REPLACE", "MERGE", "WITH", "VALUES", "TABLE",
        ])
        guard let inner = range.dropFirst().first(where: { oneOf($0, starts) }), oneOf(inner, others) else { return }
        statement(inner..<range.upperBound)
    }

    mutating func dynamic(_ range: Range<Int>) {
        let start = range.lowerBound
        if dialect == .clickhouse { return add("sql.account", start, "EXECUTE AS changes who this session is") }
        if dialect == .postgres {
            guard word(start, "PREPARE"), let place = find(["AS"], start, range.upperBound, stop: []) else { return }
            if place + 1 < range.upperBound { statement((place + 1)..<range.upperBound) }
            return
        }
        let place: Int
        if word(start, "PREPARE") {
            guard let from = find(["FROM"], start, range.upperBound, stop: []) else { return }
            place = from + 1
        } else if word(start + 1, "IMMEDIATE") {
            place = start + 2
        } else {
            return
        }
        var end = place
        while end < range.upperBound, tokens[end].kind == .string { end += 1 }
        let rest = end == range.upperBound || word(end, "USING")
        guard end > place, rest, nesting < Self.depth else {
            return add("sql.dynamic", place, "this text becomes a statement only on the server")
        }
        let text = tokens[place..<end].map(\.text).joined()
        for finding in Self.read(Array(text.utf8), dialect, nesting: nesting + 1).findings {
            add(finding.rule, place, finding.message)
        }
    }

    // MARK: Files and functions

    mutating func copy(_ range: Range<Int>) {
        var index = range.lowerBound + 1
        while index < range.upperBound {
            if oneOf(index, ["TO", "FROM"]) {
                if word(index + 1, "PROGRAM") { return add("sql.shell", index, "COPY ... PROGRAM runs a program") }
                if oneOf(index + 1, ["STDIN", "STDOUT"]) { return }
                return add("sql.file", index, "COPY reads or writes a file of the server; use STDIN or STDOUT")
            }
            index = max(index, closing[index]) + 1
        }
        add("sql.syntax", range.lowerBound, "COPY without TO or FROM")
    }

    mutating func load(_ range: Range<Int>) {
        let start = range.lowerBound
        if dialect == .postgres { return add("sql.code", start, "LOAD loads a library into the server") }
        if word(start + 1, "INDEX") { return }
        add("sql.file", start, "LOAD reads a file")
    }

    /// Calls that reach beyond the database, wherever they are.
    mutating func calls(_ range: Range<Int>) {
        for index in range where tokens[index].kind == .word || tokens[index].kind == .quoted {
            let token = tokens[index]
            if dialect != .postgres, token.kind == .word, token.text == "INTO",
                oneOf(index + 1, ["OUTFILE", "DUMPFILE"])
            {
                add("sql.file", index, "INTO \(tokens[index + 1].text) writes a file")
            }
            guard symbol(index + 1, "("), let rule = SQLNames.function(token.text.lowercased(), dialect) else {
                continue
            }
            // A table of that name with a list of its columns is no call.
            if dialect == .clickhouse, !word(range.lowerBound, "DESCRIBE"), !word(range.lowerBound, "DESC"),
                oneOf(index - 1, ["INTO", "TABLE", "EXISTS", "VIEW"]) || symbol(index - 1, ".")
            {
                continue
            }
            if rule == "sql.settings", harmlessSetting(index + 2) { continue }
            add(rule, index, "\(token.text.lowercased())() is refused")
        }
    }

    /// Whether `set_config` names a setting of the application's own: one with a dot.
    private func harmlessSetting(_ index: Int) -> Bool {
        index < tokens.count && tokens[index].kind == .string && tokens[index].text.contains(".")
            && symbol(index + 1, ",")
    }
}
