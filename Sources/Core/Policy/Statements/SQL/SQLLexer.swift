// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

/// Cuts a text into tokens the way the server of a dialect does.
struct SQLLexer {
    private let bytes: [UInt8]
    private let dialect: SQLDialect
    /// Version comments of these versions are read as code; the others are comments.
    private let skipped: Set<String>
    private var index = 0
    private var spaced = false
    private var inVersionComment = false
    /// Whether the token before is a string of PostgreSQL with backslash escapes.
    private var afterEscapes = false
    private var tokens: [SQLToken] = []
    /// The versions that were seen.
    private(set) var versions: Set<String> = []
    /// Where version comments are that were read as code, in bytes.
    private(set) var conditional: [Range<Int>] = []
    private var conditionalStart = 0

    init(_ bytes: [UInt8], _ dialect: SQLDialect, skipped: Set<String> = []) {
        self.bytes = bytes
        self.dialect = dialect
        self.skipped = skipped
    }

    /// All tokens.
    mutating func run() throws(SQLLexicalError) -> [SQLToken] {
        // A client library may end the text there: what is behind it would be judged and not sent.
        if let place = bytes.firstIndex(of: 0) { throw error("a NUL byte", place) }
        while let byte = peek {
            if try blankOrComment(byte) {
                spaced = true
                continue
            }
            try token(byte)
            spaced = false
        }
        if inVersionComment { throw error("a version comment is not closed", bytes.count) }
        return tokens
    }

    // MARK: Blanks and comments

    private mutating func blankOrComment(_ byte: UInt8) throws(SQLLexicalError) -> Bool {
        switch byte {
        case 0x09...0x0D, 0x20:
            index += 1
            return true
        case 0..<0x20, 0x7F: throw error("a control character outside quotes", index)
        case UInt8(ascii: "-") where at(1) == UInt8(ascii: "-"):
            if dialect == .mysql, let next = at(2), next > 0x20 { return false }
            try lineComment()
            return true
        case UInt8(ascii: "#") where dialect == .mysql: break
        case UInt8(ascii: "#") where dialect == .clickhouse:
            guard at(1) == UInt8(ascii: " ") || at(1) == UInt8(ascii: "!") else { return false }
        case UInt8(ascii: "/") where at(1) == UInt8(ascii: "*"):
            try blockComment()
            return true
        case UInt8(ascii: "*") where at(1) == UInt8(ascii: "/") && inVersionComment:
            inVersionComment = false
            index += 2
            conditional.append(conditionalStart..<index)
            return true
        default: return false
        }
        try lineComment()
        return true
    }

    private mutating func lineComment() throws(SQLLexicalError) {
        while let byte = peek, byte != 0x0A {
            // PostgreSQL ends the comment at a carriage return, the others do not: what follows would be read twice.
            if byte == 0x0D, at(1) != 0x0A { throw error("a lone carriage return in a comment", index) }
            if inVersionComment, byte == UInt8(ascii: "*"), at(1) == UInt8(ascii: "/") {
                throw error("the end of a version comment inside another comment", index)
            }
            try invisible(byte)
            index += 1
        }
    }

    private mutating func blockComment() throws(SQLLexicalError) {
        let start = index
        if dialect == .mysql, let marker = versionMarker() {
            guard !inVersionComment else { throw error("a version comment inside another", start) }
            let digits = String(decoding: bytes[(start + marker)..<digitsEnd(start + marker)], as: UTF8.self)
            guard [0, 5, 6].contains(digits.count) else { throw error("a version comment of no known version", start) }
            let version = (marker == 4 ? "M" : "") + digits
            if !version.isEmpty { versions.insert(version) }
            index = start + marker + digits.count
            if version.isEmpty || !skipped.contains(version) {
                inVersionComment = true
                conditionalStart = start
                return
            }
        } else {
            guard !inVersionComment else { throw error("a comment inside a version comment", start) }
            index += 2
        }
        var depth = 1
        while let byte = peek {
            if byte == UInt8(ascii: "*"), at(1) == UInt8(ascii: "/") {
                depth -= 1
                index += 2
                if depth == 0 { return }
            } else if byte == UInt8(ascii: "/"), at(1) == UInt8(ascii: "*") {
                switch dialect {
                case .postgres: depth += 1
                case .mysql where bytes[start + 2] != UInt8(ascii: "!"): break
                case .mysql, .clickhouse:
                    throw error("a comment inside a comment, which servers read differently", index)
                }
                index += 2
            } else {
                try invisible(byte)
                index += 1
            }
        }
        throw error("a comment is not closed", start)
    }

    /// The length of `/*!` or `/*M!` here.
    private func versionMarker() -> Int? {
        if at(2) == UInt8(ascii: "!") { return 3 }
        return at(2) == UInt8(ascii: "M") && at(3) == UInt8(ascii: "!") ? 4 : nil
    }

    private func digitsEnd(_ start: Int) -> Int {
        var end = start
        while end < bytes.count, (0x30...0x39).contains(bytes[end]), end - start < 7 { end += 1 }
        return end
    }

    /// Throws at characters that are not shown, or that turn the direction of text.
    private func invisible(_ byte: UInt8) throws(SQLLexicalError) {
        guard byte >= 0xC2, let scalar = scalar(index) else { return }
        if scalar.properties.generalCategory == .format { throw error("an invisible character outside quotes", index) }
    }

    private func scalar(_ index: Int) -> Unicode.Scalar? {
        String(decoding: bytes[index..<min(index + 4, bytes.count)], as: UTF8.self).unicodeScalars.first
    }

    // MARK: Tokens

    private mutating func token(_ byte: UInt8) throws(SQLLexicalError) {
        switch byte {
        case UInt8(ascii: "'"): try string(quote: byte, from: index, escapes: dialect != .postgres, kind: .string)
        case UInt8(ascii: "\""):
            let kind: SQLToken.Kind = dialect == .mysql ? .string : .quoted
            try string(quote: byte, from: index, escapes: dialect != .postgres, kind: kind)
        case UInt8(ascii: "`") where dialect != .postgres:
            try string(quote: byte, from: index, escapes: dialect == .clickhouse, kind: .quoted)
        case UInt8(ascii: "$") where dialect != .mysql: try dollar()
        case 0x30...0x39: number()
        case UInt8(ascii: ".") where at(1).map { (0x30...0x39).contains($0) } == true && !afterName: number()
        case UInt8(ascii: "\\"): try backslash()
        case UInt8(ascii: "$"): try word()
        case _ where Self.isWord(byte): try word()
        default: symbol()
        }
    }

    /// Whether the token before is a name that a following dot qualifies.
    private var afterName: Bool {
        guard !spaced, let last = tokens.last else { return false }
        return last.kind == .word || last.kind == .quoted
    }

    private mutating func append(_ kind: SQLToken.Kind, _ text: String, from start: Int) {
        tokens.append(SQLToken(kind: kind, text: text, range: start..<index, spaced: spaced))
        afterEscapes = false
    }

    private mutating func word() throws(SQLLexicalError) {
        let start = index
        while let byte = peek, Self.isWord(byte) || (0x30...0x39).contains(byte) || byte == UInt8(ascii: "$") {
            if byte >= 0x80 {
                guard dialect != .clickhouse else { throw error("a character that is not ASCII outside quotes", index) }
                if let scalar = scalar(index), byte >= 0xC2, scalar.properties.isWhitespace || Self.isHidden(scalar) {
                    throw error("an invisible character or an unusual blank outside quotes", index)
                }
            }
            index += 1
        }
        let text = String(decoding: bytes[start..<index], as: UTF8.self)
        let upper = Self.uppercased(text)
        if dialect == .postgres, let next = peek {
            if upper == "E", next == UInt8(ascii: "'") {
                return try string(quote: next, from: start, escapes: true, kind: .string)
            }
            if upper == "U", next == UInt8(ascii: "&"), at(1) == UInt8(ascii: "\"") {
                throw error("a name with Unicode escapes; write it out", start)
            }
        }
        append(.word, upper, from: start)
    }

    private mutating func number() {
        let start = index
        func digits(_ lexer: inout SQLLexer) {
            while let byte = lexer.peek, (0x30...0x39).contains(byte) { lexer.index += 1 }
        }
        if peek == 0x30, let kind = at(1), "xX".utf8.contains(kind), at(2).map(Self.isHexadecimal) == true {
            index += 2
            while let byte = peek, Self.isHexadecimal(byte) { index += 1 }
        } else {
            digits(&self)
            if peek == UInt8(ascii: ".") {
                index += 1
                digits(&self)
            }
            if let byte = peek, "eE".utf8.contains(byte) {
                let sign = at(1).map { "+-".utf8.contains($0) } == true ? 1 : 0
                if at(1 + sign).map({ (0x30...0x39).contains($0) }) == true {
                    index += 1 + sign
                    digits(&self)
                }
            }
        }
        append(.number, String(decoding: bytes[start..<index], as: UTF8.self), from: start)
    }

    private mutating func symbol() {
        let start = index
        var length = 1
        if "<>!:|&".utf8.contains(bytes[index]) {
            let pairs = ["<=>", "<=", ">=", "<>", "!=", ":=", "::", "||", "&&"]
            length = pairs.first { bytes[index...].starts(with: $0.utf8) }?.utf8.count ?? 1
        }
        index += length
        append(.symbol, String(decoding: bytes[start..<index], as: UTF8.self), from: start)
    }

    private mutating func backslash() throws(SQLLexicalError) {
        if dialect == .mysql, at(1) == UInt8(ascii: "N"), at(2).map({ Self.isWord($0) }) != true {
            let start = index
            index += 2
            return append(.word, "NULL", from: start)
        }
        if at(1) == UInt8(ascii: "!") {
            throw SQLLexicalError(rule: "sql.shell", position: index, message: "\\! runs a program")
        }
        throw SQLLexicalError(rule: "sql.client", position: index, message: "a backslash command of a client")
    }

    // MARK: Strings

    private mutating func string(
        quote: UInt8, from start: Int, escapes: Bool, kind: SQLToken.Kind
    ) throws(SQLLexicalError) {
        // PostgreSQL reads 'b' in E'a' 'b' with escapes as well: where it ends is not what it looks like.
        if kind == .string, afterEscapes { throw error("a string that continues an E'' string; write one", start) }
        index += 1
        var content: [UInt8] = []
        while let byte = peek {
            if byte == quote {
                guard at(1) == quote else {
                    index += 1
                    defer { afterEscapes = dialect == .postgres && escapes }
                    return append(kind, String(decoding: content, as: UTF8.self), from: start)
                }
                content.append(quote)
                index += 2
            } else if byte == UInt8(ascii: "\\"), escapes {
                guard let next = at(1) else { break }
                content.append(Self.unescaped(next))
                index += 2
            } else {
                content.append(byte)
                index += 1
            }
        }
        throw error("a quote is not closed", start)
    }

    private mutating func dollar() throws(SQLLexicalError) {
        let start = index
        var end = index + 1
        while end < bytes.count, Self.isWord(bytes[end]) || (end > index + 1 && (0x30...0x39).contains(bytes[end])) {
            end += 1
        }
        guard end < bytes.count, bytes[end] == UInt8(ascii: "$") else {
            index += 1
            return append(.symbol, "$", from: start)
        }
        let tag = Array(bytes[index...end])
        let content = end + 1
        index = content
        while index < bytes.count {
            if bytes[index] == UInt8(ascii: "$"), bytes[index...].starts(with: tag) {
                let text = String(decoding: bytes[content..<index], as: UTF8.self)
                index += tag.count
                return append(.string, text, from: start)
            }
            index += 1
        }
        throw error("a dollar quote is not closed", start)
    }

    private static func unescaped(_ byte: UInt8) -> UInt8 {
        switch byte {
        case UInt8(ascii: "n"): 0x0A
        case UInt8(ascii: "t"): 0x09
        case UInt8(ascii: "r"): 0x0D
        case UInt8(ascii: "b"): 0x08
        default: byte
        }
    }

    // MARK: Reading

    private var peek: UInt8? { at(0) }

    private func at(_ offset: Int) -> UInt8? { index + offset < bytes.count ? bytes[index + offset] : nil }

    private func error(_ message: String, _ position: Int) -> SQLLexicalError {
        SQLLexicalError(position: position, message: message)
    }

    private static func isWord(_ byte: UInt8) -> Bool {
        (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte) || byte == 0x5F || byte >= 0x80
    }

    private static func isHexadecimal(_ byte: UInt8) -> Bool {
        (0x30...0x39).contains(byte) || (0x41...0x46).contains(byte) || (0x61...0x66).contains(byte)
    }

    private static func isHidden(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.properties.generalCategory {
        case .format, .control, .lineSeparator, .paragraphSeparator, .spaceSeparator, .unassigned, .privateUse: true
        default: false
        }
    }

    /// Capitals of the letters a to z; no other letter makes a keyword.
    static func uppercased(_ text: String) -> String {
        String(decoding: text.utf8.map { (0x61...0x7A).contains($0) ? $0 - 32 : $0 }, as: UTF8.self)
    }
}
