// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

/// The parts of a word while it is read: neighbouring text of one kind is one part.
struct ShellWordBuilder {
    private(set) var parts: [ShellWordPart] = []
    private var text: [UInt8] = []
    private var isQuoted = false
    private var isOpen = false

    mutating func append(_ byte: UInt8, quoted: Bool) {
        if !isOpen || isQuoted != quoted { begin(quoted: quoted) }
        text.append(byte)
    }

    mutating func append(_ bytes: ArraySlice<UInt8>, quoted: Bool) {
        if !isOpen || isQuoted != quoted { begin(quoted: quoted) }
        text += bytes
    }

    /// Makes the text part exist even when it stays empty, as `''` does.
    mutating func begin(quoted: Bool) {
        if isOpen, isQuoted == quoted { return }
        flush()
        isOpen = true
        isQuoted = quoted
    }

    mutating func append(_ part: ShellWordPart) {
        flush()
        parts.append(part)
    }

    private mutating func flush() {
        if isOpen { parts.append(.text(text, quoted: isQuoted)) }
        text.removeAll()
        isOpen = false
    }

    mutating func finish() -> [ShellWordPart] {
        flush()
        return parts
    }
}

extension ShellParser {
    /// A word that begins at the next byte.
    mutating func word() throws(ShellSyntaxError) -> ShellWord {
        let start = at
        var builder = ShellWordBuilder()
        loop: while let byte = current() {
            switch byte {
            case UInt8(ascii: " "), UInt8(ascii: "\t"), UInt8(ascii: "\n"), UInt8(ascii: ";"), UInt8(ascii: "&"),
                UInt8(ascii: "|"), UInt8(ascii: ")"):
                break loop
            case UInt8(ascii: "("):
                guard dialect == .bash, at > start, bytes[at - 1] == UInt8(ascii: "=") else { break loop }
                differs = true
                builder.append(.array(try array()))
            case UInt8(ascii: "<"), UInt8(ascii: ">"):
                guard dialect == .bash, try process(into: &builder) else { break loop }
            default: try piece(byte, into: &builder)
            }
        }
        let parts = builder.finish()
        return ShellWord(parts: parts, position: position(start), reserved: ShellReservedWord(parts))
    }

    /// One step of a word outside quotes, where nothing can end it.
    mutating func piece(_ byte: UInt8, into builder: inout ShellWordBuilder) throws(ShellSyntaxError) {
        try spend()
        switch byte {
        case UInt8(ascii: "'"):
            at += 1
            try singleQuoted(into: &builder)
        case UInt8(ascii: "\""):
            at += 1
            builder.begin(quoted: true)
            try doubleQuoted(into: &builder)
        case UInt8(ascii: "\\"):
            at += 1
            guard at < bytes.count else { return builder.append(byte, quoted: true) }
            try refuseForeignBlank()
            builder.append(bytes[at], quoted: true)
            at += 1
        case UInt8(ascii: "$"): try dollar(quoted: false, into: &builder)
        case UInt8(ascii: "`"): builder.append(.command(try backquoted(inQuotes: false), quoted: false))
        default:
            let start = at
            skipOrdinary()
            if at == start {
                try refuseForeignBlank()
                at += 1
            }
            try spend(at - start - 1)
            builder.append(bytes[start..<at], quoted: false)
        }
    }

    /// Steps over bytes that mean themselves wherever they stand in a word.
    private mutating func skipOrdinary() {
        while at < bytes.count, Self.isOrdinary(bytes[at]) { at += 1 }
    }

    private static func isOrdinary(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "%"), UInt8(ascii: "+")...UInt8(ascii: ":"), UInt8(ascii: "="),
            UInt8(ascii: "@")...UInt8(ascii: "Z"), UInt8(ascii: "^"), UInt8(ascii: "_"),
            UInt8(ascii: "a")...UInt8(ascii: "z"):
            true
        default: false
        }
    }

    private func refuseForeignBlank() throws(ShellSyntaxError) {
        guard bytes[at] >= 0xC2, InputGate.isForeignBlank(bytes, at: at) else { return }
        throw ShellSyntaxError(
            message: "the command holds white space that no shell takes for a blank", position: position(at),
            rule: "V0")
    }

    private mutating func singleQuoted(into builder: inout ShellWordBuilder) throws(ShellSyntaxError) {
        let start = at
        builder.begin(quoted: true)
        guard let end = bytes[start...].firstIndex(of: UInt8(ascii: "'")) else {
            throw error("a single quote is not closed", at: start - 1)
        }
        builder.append(bytes[start..<end], quoted: true)
        at = end + 1
    }

    /// The text of a double quote, up to and with its end.
    private mutating func doubleQuoted(into builder: inout ShellWordBuilder) throws(ShellSyntaxError) {
        let start = at - 1
        while let byte = current() {
            if byte == UInt8(ascii: "\"") {
                at += 1
                return
            }
            try quotedPiece(byte, escapesQuote: true, into: &builder)
        }
        throw error("a double quote is not closed", at: start)
    }

    /// One step inside double quotes, a here-document or an arithmetic expansion.
    mutating func quotedPiece(
        _ byte: UInt8, escapesQuote: Bool, into builder: inout ShellWordBuilder
    ) throws(ShellSyntaxError) {
        try spend()
        switch byte {
        case UInt8(ascii: "$"): try dollar(quoted: true, into: &builder)
        case UInt8(ascii: "`"):
            builder.append(.command(try backquoted(inQuotes: escapesQuote), quoted: true))
        case UInt8(ascii: "\\"):
            at += 1
            guard at < bytes.count else { return builder.append(byte, quoted: true) }
            let next = bytes[at]
            let isEscaped =
                next == UInt8(ascii: "$") || next == UInt8(ascii: "`") || next == UInt8(ascii: "\\")
                || escapesQuote && next == UInt8(ascii: "\"")
            if !isEscaped { builder.append(byte, quoted: true) }
            builder.append(next, quoted: true)
            at += 1
        default:
            let start = at
            at += 1
            skipOrdinary()
            try spend(at - start - 1)
            builder.append(bytes[start..<at], quoted: true)
        }
    }

    /// `<( )` or `>( )`, if that is what the next bytes are.
    private mutating func process(into builder: inout ShellWordBuilder) throws(ShellSyntaxError) -> Bool {
        let start = at
        let isInput = byte(0) == UInt8(ascii: ">")
        at += 1
        guard current() == UInt8(ascii: "(") else {
            at = start
            return false
        }
        at += 1
        mark(isInput ? ">( )" : "<( )", start)
        differs = true
        builder.append(.process(try substitution(from: start), input: isInput))
        return true
    }

    /// The words of `name=( )`, in bash.
    private mutating func array() throws(ShellSyntaxError) -> [ShellWord] {
        let start = at
        at += 1
        mark("an array", start)
        try enter()
        var words: [ShellWord] = []
        while true {
            switch try next() {
            case .word(let word): words.append(word)
            case .newline: continue
            case .symbol(.close):
                depth -= 1
                return words
            case let token: throw unexpected(token)
            }
        }
    }

    // Here-documents

    /// Notes a here-document whose text begins after this line; its place among all of them.
    mutating func announce(_ delimiter: ShellWord, stripsTabs: Bool) throws(ShellSyntaxError) -> Int {
        var text: [UInt8] = []
        var isQuoted = false
        for part in delimiter.parts {
            guard case .text(let bytes, let quoted) = part else {
                throw error("the delimiter of a here-document is not plain text", at: tokenStart)
            }
            text += bytes
            if quoted { isQuoted = true }
        }
        let index = hereDocuments.count
        hereDocuments.append(ShellHereDocument(parts: []))
        pending.append(
            PendingDocument(
                delimiter: text, isQuoted: isQuoted, stripsTabs: stripsTabs, index: index, start: tokenStart))
        return index
    }

    /// Reads the announced documents, at the beginning of a line.
    mutating func readDocuments() throws(ShellSyntaxError) {
        let documents = pending
        pending = []
        for document in documents { try read(document) }
    }

    /// At the end of the text a document may be open: it ends there.
    mutating func finishDocuments() throws(ShellSyntaxError) { try readDocuments() }

    private mutating func read(_ document: PendingDocument) throws(ShellSyntaxError) {
        var body: [UInt8] = []
        var joins = false
        while at < bytes.count {
            var end = bytes[at...].firstIndex(of: UInt8(ascii: "\n")) ?? bytes.count
            try spend(1 + (end - at))
            var line = bytes[at..<end]
            if document.stripsTabs { line = line.drop { $0 == UInt8(ascii: "\t") } }
            if end < bytes.count { end += 1 }
            at = end
            if !joins, line.elementsEqual(document.delimiter) { break }
            let backslashes = line.reversed().prefix { $0 == UInt8(ascii: "\\") }.count
            joins = !document.isQuoted && backslashes % 2 == 1
            body += line
            body.append(UInt8(ascii: "\n"))
        }
        guard !document.isQuoted else {
            hereDocuments[document.index].parts = [.text(body, quoted: true)]
            return
        }
        hereDocuments[document.index].parts = try nested(body, from: document.start) {
            (parser) throws(ShellSyntaxError) in
            var builder = ShellWordBuilder()
            while let byte = parser.current() { try parser.quotedPiece(byte, escapesQuote: false, into: &builder) }
            return builder.finish()
        }
    }

    /// Reads a copied part of the text with a parser of its own, which shares bounds, marks and documents.
    mutating func nested<Value>(
        _ text: [UInt8], from start: Int,
        _ body: (inout ShellParser) throws(ShellSyntaxError) -> Value
    ) throws(ShellSyntaxError) -> Value {
        var parser = ShellParser(text, dialect: dialect, depth: depth, origin: position(start), budget: budget)
        swap(&parser.hereDocuments, &hereDocuments)
        let value = try body(&parser)
        swap(&parser.hereDocuments, &hereDocuments)
        marks += parser.marks
        if parser.differs { differs = true }
        budget = parser.budget
        return value
    }
}
