// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

extension ShellParser {
    /// What begins with `$`.
    mutating func dollar(quoted: Bool, into builder: inout ShellWordBuilder) throws(ShellSyntaxError) {
        let start = at
        at += 1
        guard let next = current() else { return builder.append(UInt8(ascii: "$"), quoted: quoted) }
        switch next {
        case UInt8(ascii: "("):
            at += 1
            if current() == UInt8(ascii: "("), let parts = try arithmetic(from: start) {
                return builder.append(.arithmetic(parts))
            }
            mark("$( )", start)
            builder.append(.command(try substitution(from: start), quoted: quoted))
        case UInt8(ascii: "{"):
            at += 1
            try enter()
            builder.append(.parameter(try parameter(from: start, quoted: quoted), quoted: quoted))
            depth -= 1
        case UInt8(ascii: "'") where !quoted && dialect == .bash:
            differs = true
            at += 1
            try ansiQuoted(from: start, into: &builder)
        case UInt8(ascii: "\"") where !quoted && dialect == .bash:
            differs = true
        default:
            guard let name = simpleName(next) else { return builder.append(UInt8(ascii: "$"), quoted: quoted) }
            let value = ShellParameter(name: name, operation: "", argument: [])
            builder.append(.parameter(value, quoted: quoted))
        }
    }

    /// The name after `$` or `${`, stepped over: letters, one digit, or a special parameter.
    private mutating func simpleName(_ first: UInt8, allDigits: Bool = false) -> String? {
        if Self.isNameByte(first), !(48...57).contains(first) {
            var name: [UInt8] = []
            while let byte = current(), Self.isNameByte(byte) {
                name.append(byte)
                at += 1
            }
            return String(decoding: name, as: UTF8.self)
        }
        if (48...57).contains(first) {
            var name: [UInt8] = []
            repeat {
                name.append(bytes[at])
                at += 1
            } while allDigits && current().map { (48...57).contains($0) } == true
            return String(decoding: name, as: UTF8.self)
        }
        guard "@*#?-$!".utf8.contains(first) else { return nil }
        at += 1
        return String(UnicodeScalar(first))
    }

    /// Commands up to the parenthesis that ends a substitution.
    mutating func substitution(from start: Int) throws(ShellSyntaxError) -> ShellList {
        try enter()
        let outer = (lookahead, pending, tokenStart, looseAmpersand)
        (lookahead, pending, looseAmpersand) = (nil, [], nil)
        let list = try list(mayBeEmpty: true)
        guard case .symbol(.close) = try peek() else {
            if case .end = try peek() { throw error("a substitution is not closed", at: start) }
            throw unexpected(try peek())
        }
        guard pending.isEmpty else {
            throw error("a here-document in a substitution has no lines", at: start)
        }
        (lookahead, pending, tokenStart, looseAmpersand) = outer
        lookahead = nil
        depth -= 1
        return list
    }

    /// Commands between back-quotes.
    mutating func backquoted(inQuotes: Bool) throws(ShellSyntaxError) -> ShellList {
        let start = at
        at += 1
        mark("back-quotes", start)
        var text: [UInt8] = []
        while let byte = current() {
            at += 1
            if byte == UInt8(ascii: "`") {
                try enter()
                let list = try nested(text, from: start) { (parser) throws(ShellSyntaxError) in
                    let list = try parser.list(mayBeEmpty: true)
                    guard case .end = try parser.peek() else { throw parser.unexpected(try parser.peek()) }
                    return list
                }
                depth -= 1
                return list
            }
            if byte == UInt8(ascii: "\\"), let next = self.byte(0) {
                let isEscaped =
                    next == UInt8(ascii: "`") || next == UInt8(ascii: "\\") || next == UInt8(ascii: "$")
                    || inQuotes && next == UInt8(ascii: "\"")
                if !isEscaped { text.append(byte) }
                text.append(next)
                at += 1
            } else {
                text.append(byte)
            }
        }
        throw error("a back-quote is not closed", at: start)
    }

    /// `$(( ))`; nil when bash would take it for a substitution that begins with a subshell.
    private mutating func arithmetic(from start: Int) throws(ShellSyntaxError) -> [ShellWordPart]? {
        let saved = (at: at, depth: depth, marks: marks.count, documents: hereDocuments.count)
        func restart(_ parser: inout ShellParser) -> [ShellWordPart]? {
            parser.differs = true
            parser.at = saved.at
            parser.depth = saved.depth
            parser.marks.removeLast(parser.marks.count - saved.marks)
            parser.hereDocuments.removeLast(parser.hereDocuments.count - saved.documents)
            return nil
        }
        at += 1
        try enter()
        mark("$(( ))", start)
        var builder = ShellWordBuilder()
        var level = 0
        while let byte = current() {
            if byte == UInt8(ascii: "(") {
                level += 1
            } else if byte == UInt8(ascii: ")") {
                if level > 0 {
                    level -= 1
                } else {
                    at += 1
                    if take(")") {
                        depth -= 1
                        return builder.finish()
                    }
                    guard dialect == .posix else { return restart(&self) }
                    builder.append(byte, quoted: true)
                    continue
                }
            }
            try quotedPiece(byte, escapesQuote: true, into: &builder)
        }
        guard dialect == .posix else { return restart(&self) }
        throw error("an arithmetic expansion is not closed", at: start)
    }

    /// What stands in `${ }`, up to and with its end.
    private mutating func parameter(from start: Int, quoted: Bool) throws(ShellSyntaxError) -> ShellParameter {
        var value = ShellParameter(name: "", operation: "", argument: [])
        if let first = current(), first == UInt8(ascii: "#") || dialect == .bash && first == UInt8(ascii: "!") {
            at += 1
            if first == UInt8(ascii: "!") { differs = true }
            if current() == UInt8(ascii: "}") {
                at += 1
                value.name = String(UnicodeScalar(first))
                return value
            }
            value.operation = String(UnicodeScalar(first))
        }
        if let first = current(), let name = simpleName(first, allDigits: true) {
            value.name = name
        } else {
            value.name = value.operation
            value.operation = ""
        }
        for operation in [":-", ":=", ":?", ":+", "%%", "##", "%", "#", "-", "=", "?", "+"]
        where startsWith(operation) {
            value.operation += operation
            break
        }
        let isPlainText = quoted && !value.operation.hasSuffix("%") && !value.operation.hasSuffix("#")
        value.argument = try parameterArgument(from: start, quoted: quoted, isPlainText: isPlainText)
        if value.operation.isEmpty, !value.argument.isEmpty { value.operation = "other" }
        return value
    }

    private mutating func startsWith(_ text: String) -> Bool {
        let start = at
        for byte in text.utf8 {
            guard current() == byte else {
                at = start
                return false
            }
            at += 1
        }
        return true
    }

    /// The word of an operation. Inside double quotes a single quote is only a character there, a double quote turns
    /// quoting off and on again.
    private mutating func parameterArgument(
        from start: Int, quoted: Bool, isPlainText: Bool
    ) throws(ShellSyntaxError) -> [ShellWordPart] {
        var builder = ShellWordBuilder()
        var isInner = false
        while let byte = current() {
            if byte == UInt8(ascii: "}"), !isInner {
                at += 1
                return builder.finish()
            }
            if isPlainText {
                if byte == UInt8(ascii: "\"") {
                    isInner.toggle()
                    at += 1
                } else if byte == UInt8(ascii: "\\"), self.byte(1) == UInt8(ascii: "}") {
                    builder.append(UInt8(ascii: "}"), quoted: true)
                    at += 2
                } else {
                    try quotedPiece(byte, escapesQuote: true, into: &builder)
                }
            } else {
                try piece(byte, into: &builder)
            }
        }
        throw error("'${' is not closed", at: start)
    }

    /// `$'…'`, with its escapes decoded; a NUL ends its value.
    private mutating func ansiQuoted(
        from start: Int, into builder: inout ShellWordBuilder
    ) throws(ShellSyntaxError) {
        builder.begin(quoted: true)
        var isCut = false
        while at < bytes.count {
            let byte = bytes[at]
            at += 1
            if byte == UInt8(ascii: "'") { return }
            let isEscape = byte == UInt8(ascii: "\\") && at < bytes.count
            for byte in isEscape ? ANSIEscape.decode(bytes, &at) : [byte] {
                if byte == 0 { isCut = true }
                if !isCut { builder.append(byte, quoted: true) }
            }
        }
        throw error("a single quote is not closed", at: start)
    }
}

/// The escapes of `$'…'` and of `printf`.
enum ANSIEscape {
    /// What the escape means whose backslash was just passed; steps over it.
    static func decode(_ bytes: [UInt8], _ at: inout Int) -> [UInt8] {
        let letter = bytes[at]
        at += 1
        switch letter {
        case UInt8(ascii: "a"): return [7]
        case UInt8(ascii: "b"): return [8]
        case UInt8(ascii: "e"), UInt8(ascii: "E"): return [27]
        case UInt8(ascii: "f"): return [12]
        case UInt8(ascii: "n"): return [10]
        case UInt8(ascii: "r"): return [13]
        case UInt8(ascii: "t"): return [9]
        case UInt8(ascii: "v"): return [11]
        case UInt8(ascii: "\\"), UInt8(ascii: "'"), UInt8(ascii: "\""), UInt8(ascii: "?"): return [letter]
        case UInt8(ascii: "x"):
            return number(bytes, &at, radix: 16, digits: 2).map { [UInt8($0 & 0xFF)] } ?? [92, letter]
        case UInt8(ascii: "u"): return scalar(number(bytes, &at, radix: 16, digits: 4)) ?? [92, letter]
        case UInt8(ascii: "U"): return scalar(number(bytes, &at, radix: 16, digits: 8)) ?? [92, letter]
        case UInt8(ascii: "c"):
            guard at < bytes.count else { return [92, letter] }
            at += 1
            return [bytes[at - 1] & 0x1F]
        case UInt8(ascii: "0")...UInt8(ascii: "7"):
            at -= 1
            return number(bytes, &at, radix: 8, digits: 3).map { [UInt8($0 & 0xFF)] } ?? []
        default: return [92, letter]
        }
    }

    private static func number(_ bytes: [UInt8], _ at: inout Int, radix: UInt32, digits: Int) -> UInt32? {
        var value: UInt32 = 0
        var count = 0
        while count < digits, at < bytes.count, let digit = Character(UnicodeScalar(bytes[at])).hexDigitValue,
            digit < radix
        {
            value = value &* radix &+ UInt32(digit)
            at += 1
            count += 1
        }
        return count == 0 ? nil : value
    }

    private static func scalar(_ value: UInt32?) -> [UInt8]? {
        guard let value, let scalar = Unicode.Scalar(value) else { return nil }
        return Array(String(scalar).utf8)
    }
}
