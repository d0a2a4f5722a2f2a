// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

/// Finds conditions that every row passes, as far as that can be seen without the table.
struct SQLCondition {
    /// What is known of a condition.
    enum Truth {
        /// Depends on the row.
        case filter
        case always
        case never
        /// The same for every row, but which cannot be seen.
        case constant

        /// Whether it may let every row through.
        var isOpen: Bool { self == .always || self == .constant }

        var negated: Truth {
            switch self {
            case .always: .never
            case .never: .always
            case .filter, .constant: self
            }
        }
    }

    /// The deepest nesting that is looked into; below it, a condition counts as open.
    static let depth = 24

    let tokens: [SQLToken]
    /// For each opening bracket, the index of its closing one.
    let closing: [Int]
    let dialect: SQLDialect

    /// What is known of the condition in `range`.
    func truth(_ range: Range<Int>, depth: Int = 0) -> Truth {
        let range = stripped(range)
        guard depth < Self.depth else { return .constant }
        guard let first = range.first else { return .constant }
        if isWord(first, "SELECT") || isWord(first, "WITH") { return hasTable(range) ? .filter : .constant }
        let choices = split(range) { isWord($0, "OR") || (dialect == .mysql && isSymbol($0, "||")) }
        if choices.count > 1 { return anyOf(choices, depth) }
        let exclusive = split(range) { isWord($0, "XOR") }
        if exclusive.count > 1 {
            return exclusive.contains { truth($0, depth: depth + 1) == .filter } ? .filter : .constant
        }
        let parts = split(range) { isWord($0, "AND") || (dialect == .mysql && isSymbol($0, "&&")) }
        if parts.count > 1 {
            let truths = parts.map { truth($0, depth: depth + 1) }
            if truths.contains(.never) { return .never }
            if truths.contains(.filter) { return .filter }
            return truths.allSatisfy { $0 == .always } ? .always : .constant
        }
        var rest = range
        var negated = false
        while let head = rest.first, isWord(head, "NOT") || isSymbol(head, "!") {
            negated.toggle()
            rest = rest.dropFirst()
        }
        if rest.count < range.count {
            let inner = truth(rest, depth: depth + 1)
            return negated ? inner.negated : inner
        }
        return leaf(range)
    }

    // MARK: Structure

    private func anyOf(_ choices: [Range<Int>], _ depth: Int) -> Truth {
        var all = true
        var seen: Set<String> = []
        for choice in choices {
            let part = truth(choice, depth: depth + 1)
            if part.isOpen { return .always }
            if part == .filter {
                all = false
                // `a = 1 OR a <> 1`: one of the two holds.
                let (text, negated) = normal(stripped(choice))
                if seen.contains((negated ? "+" : "-") + text) { return .always }
                seen.insert((negated ? "-" : "+") + text)
            }
        }
        return all ? .never : .filter
    }

    private func stripped(_ range: Range<Int>) -> Range<Int> {
        var range = range
        while let first = range.first, range.count >= 2, isSymbol(first, "("), closing[first] == range.upperBound - 1 {
            range = (first + 1)..<(range.upperBound - 1)
        }
        return range
    }

    private func split(_ range: Range<Int>, _ separates: (Int) -> Bool) -> [Range<Int>] {
        var result: [Range<Int>] = []
        var start = range.lowerBound
        var index = start
        var cases = 0
        var between = 0
        while index < range.upperBound {
            if isSymbol(index, "("), closing[index] > index {
                index = closing[index]
            } else if isWord(index, "CASE") {
                cases += 1
            } else if isWord(index, "END"), cases > 0 {
                cases -= 1
            } else if isWord(index, "BETWEEN") {
                between += 1
            } else if between > 0, isWord(index, "AND") {
                between -= 1
            } else if cases == 0, separates(index) {
                result.append(start..<index)
                start = index + 1
            }
            index += 1
        }
        return result + [start..<max(start, range.upperBound)]
    }

    // MARK: Leaves

    private func leaf(_ range: Range<Int>) -> Truth {
        if range.contains(where: { isWord($0, "SELECT") }), hasTable(range) { return .filter }
        let operation = operatorIndex(range)
        if !range.contains(where: { isColumn($0, range) }) { return constant(range, operation) }
        guard let operation else { return .filter }
        let left = range.lowerBound..<operation
        if isWord(operation, "LIKE") || isWord(operation, "ILIKE") || isWord(operation, "RLIKE")
            || isWord(operation, "REGEXP") || isSymbol(operation, "~")
        {
            guard !left.contains(where: { isWord($0, "NOT") }), operation + 1 == range.upperBound - 1,
                tokens[operation + 1].kind == .string
            else { return .filter }
            let pattern = tokens[operation + 1].text
            if isWord(operation, "LIKE") || isWord(operation, "ILIKE") {
                return !pattern.isEmpty && pattern.allSatisfy { $0 == "%" } ? .always : .filter
            }
            return ["", ".*", "^", "$", "^.*", ".*$", "^.*$"].contains(pattern) ? .always : .filter
        }
        let same = isSame(left, (operation + 1)..<range.upperBound)
        guard same else { return .filter }
        switch tokens[operation].text {
        case "=", ">=", "<=", "<=>": return .always
        case "<>", "!=", "<", ">": return .never
        default: return .filter
        }
    }

    private func operatorIndex(_ range: Range<Int>) -> Int? {
        var index = range.lowerBound
        let words: Set = ["LIKE", "ILIKE", "RLIKE", "REGEXP"]
        let symbols: Set = ["=", "<", ">", "<=", ">=", "<>", "!=", "<=>", "~"]
        while index < range.upperBound {
            if isSymbol(index, "("), closing[index] > index {
                index = closing[index]
            } else if tokens[index].kind == .word ? words.contains(tokens[index].text) : isOneOf(index, symbols) {
                return index
            }
            index += 1
        }
        return nil
    }

    /// The truth of a condition without columns.
    private func constant(_ range: Range<Int>, _ operation: Int?) -> Truth {
        if range.count == 1 {
            let token = tokens[range.lowerBound]
            switch token.kind {
            case .word where token.text == "TRUE": return .always
            case .word where token.text == "FALSE" || token.text == "NULL": return .never
            case .number: return number(token).map { $0 == 0 ? .never : .always } ?? .constant
            default: return .constant
            }
        }
        guard range.count == 3, let operation, operation == range.lowerBound + 1 else { return .constant }
        let left = tokens[range.lowerBound]
        let right = tokens[range.lowerBound + 2]
        let holds: Bool?
        if let first = number(left), let second = number(right) {
            holds = compare(first, second, tokens[operation].text)
        } else if left.kind == .string, right.kind == .string, left.text == right.text {
            holds = compare(0, 0, tokens[operation].text)
        } else {
            holds = nil
        }
        return holds.map { $0 ? .always : .never } ?? .constant
    }

    private func number(_ token: SQLToken) -> Double? { token.kind == .number ? Double(token.text) : nil }

    private func compare(_ left: Double, _ right: Double, _ operation: String) -> Bool? {
        switch operation {
        case "=", "<=>": left == right
        case "<>", "!=": left != right
        case "<": left < right
        case ">": left > right
        case "<=": left <= right
        case ">=": left >= right
        default: nil
        }
    }

    /// Whether both sides of a comparison say the same; a name without a table means that of any.
    private func isSame(_ left: Range<Int>, _ right: Range<Int>) -> Bool {
        let left = stripped(left)
        let right = stripped(right)
        if let first = name(left), let second = name(right), first.count == 1 || second.count == 1 {
            return first.last == second.last
        }
        return text(left) == text(right)
    }

    /// The parts of a name, if it is nothing else.
    private func name(_ range: Range<Int>) -> [String]? {
        var parts: [String] = []
        for index in range {
            if isSymbol(index, ".") { continue }
            guard tokens[index].kind == .word || tokens[index].kind == .quoted else { return nil }
            parts.append(SQLLexer.uppercased(tokens[index].text))
        }
        return parts.isEmpty ? nil : parts
    }

    private func text(_ range: Range<Int>) -> String {
        range.map { "\(tokens[$0].kind == .string ? "'" : "")\(SQLLexer.uppercased(tokens[$0].text))" }
            .joined(separator: " ")
    }

    /// A condition without its negation, and whether there was one.
    private func normal(_ range: Range<Int>) -> (String, Bool) {
        var negated = false
        var words: [String] = []
        for index in range {
            let token = tokens[index]
            if isWord(index, "NOT") || (isSymbol(index, "!") && index == range.lowerBound) {
                negated.toggle()
            } else if token.kind == .symbol, let positive = ["<>": "=", "!=": "=", ">=": "<", ">": "<="][token.text] {
                negated.toggle()
                words.append(positive)
            } else {
                words.append(text(index..<(index + 1)))
            }
        }
        while words.count >= 2, words.first == "(", words.last == ")" { words = Array(words.dropFirst().dropLast()) }
        return (words.joined(separator: " "), negated)
    }

    // MARK: Tokens

    private func hasTable(_ range: Range<Int>) -> Bool {
        range.contains { isWord($0, "FROM") && !(isWord($0 + 1, "DUAL")) }
    }

    /// Whether a token names a column.
    private func isColumn(_ index: Int, _ range: Range<Int>) -> Bool {
        let token = tokens[index]
        guard token.kind == .word || token.kind == .quoted, !isSymbol(index + 1, "("), !isSymbol(index - 1, "@") else {
            return false
        }
        if token.kind == .quoted { return !isWord(index - 1, "COLLATE") }
        if Self.neutral.contains(token.text) || isSymbol(index - 1, "::") || isWord(index - 1, "AS") { return false }
        if isWord(index - 1, "COLLATE") || (dialect == .postgres && token.text == "USER") { return false }
        let followedByText = index + 1 < tokens.count && tokens[index + 1].kind == .string
        if followedByText, token.text.hasPrefix("_") || Self.literals.contains(token.text) { return false }
        // INTERVAL 1 DAY
        if index >= 2, isWord(index - 2, "INTERVAL"), [.number, .string].contains(tokens[index - 1].kind) {
            return false
        }
        return true
    }

    private func isWord(_ index: Int, _ text: String) -> Bool {
        tokens.indices.contains(index) && tokens[index].kind == .word && tokens[index].text == text
    }

    private func isSymbol(_ index: Int, _ text: String) -> Bool {
        tokens.indices.contains(index) && tokens[index].kind == .symbol && tokens[index].text == text
    }

    private func isOneOf(_ index: Int, _ texts: Set<String>) -> Bool {
        tokens[index].kind == .symbol && texts.contains(tokens[index].text)
    }

    /// Words before a string that make another literal of it.
    private static let literals: Set<String> = [
        "DATE", "TIME", "TIMESTAMP", "INTERVAL", "N", "B", "X", "U", "TIMESTAMPTZ",
    ]

    /// Words of conditions that are no columns.
    private static let neutral: Set<String> = [
        "ALL", "AND", "ANY", "ARRAY", "BETWEEN", "BINARY", "CASE", "COLLATE", "CURRENT_DATE", "CURRENT_ROLE",
        "CURRENT_TIME", "CURRENT_TIMESTAMP", "CURRENT_USER", "DISTINCT", "DIV", "DUAL", "ELSE", "END", "ESCAPE",
        "EXISTS", "FALSE", "FROM", "ILIKE", "IN", "INTERVAL", "IS", "ISNULL", "LIKE", "LOCALTIME", "LOCALTIMESTAMP",
        "MOD", "NOT", "NOTNULL", "NULL", "OR", "REGEXP", "RLIKE", "ROW", "SELECT", "SESSION_USER", "SIMILAR", "SOME",
        "SOUNDS", "SYSTEM_USER", "THEN", "TO", "TRUE", "UNKNOWN", "UTC_DATE", "UTC_TIME", "UTC_TIMESTAMP",
        "WHEN", "XOR",
    ]
}
