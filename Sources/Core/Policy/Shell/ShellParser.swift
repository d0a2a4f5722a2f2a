// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

/// Reads a shell program into values: the grammar of POSIX as dash reads it, and the few words that bash adds.
///
/// Words and tokens are in the other files of this type. Everything is read once, nesting is bounded.
struct ShellParser {
    /// How deep commands may stand in commands, over all programs of a text together.
    static let maximumDepth = 8

    let bytes: [UInt8]
    let dialect: ShellDialect
    /// Where this text begins in the judged text, when it is a copy of a part of it.
    let origin: Int?
    var at = 0
    var depth: Int
    /// Steps that are left: what is read twice at a place is bounded too.
    var budget: Int
    var lookahead: ShellToken?
    /// Where ``lookahead`` begins.
    var tokenStart = 0
    var marks: [ShellMark] = []
    var hereDocuments: [ShellHereDocument] = []
    var pending: [PendingDocument] = []
    /// A `&` with a `>` behind it, which is a redirection in bash only: a mark unless no command follows.
    var looseAmpersand: Int?
    /// Whether something was met that the dialects read in different ways.
    var differs = false

    init(_ bytes: [UInt8], dialect: ShellDialect, depth: Int = 0, origin: Int? = nil, budget: Int = 1 << 20) {
        self.bytes = bytes
        self.dialect = dialect
        self.depth = depth
        self.origin = origin
        self.budget = budget
    }

    /// The commands of the whole text, and the first error: what stands before it is in the list.
    mutating func program() -> (list: ShellList, error: ShellSyntaxError?) {
        var list = ShellList()
        do throws(ShellSyntaxError) {
            while true {
                try skipNewlines()
                if case .end = try peek() { break }
                list.items.append(try item())
                switch try peek() {
                case .end, .newline: continue
                case .symbol(";"), .symbol("&"): try endItem(&list)
                case let token: throw unexpected(token)
                }
            }
            return (list, nil)
        } catch {
            return (list, error)
        }
    }

    /// Commands up to a token that ends a list; the token is left.
    mutating func list(mayBeEmpty: Bool = false) throws(ShellSyntaxError) -> ShellList {
        var list = ShellList()
        while true {
            try skipNewlines()
            let token = try peek()
            if case .end = token, mayBeEmpty || !list.items.isEmpty { return list }
            if endsList(token), mayBeEmpty || !list.items.isEmpty { return list }
            list.items.append(try item())
            switch try peek() {
            case .newline: continue
            case .symbol(";"), .symbol("&"): try endItem(&list)
            default: return list
            }
        }
    }

    private mutating func endItem(_ list: inout ShellList) throws(ShellSyntaxError) {
        let start = tokenStart
        guard case .symbol(let symbol) = try next() else { return }
        guard symbol == "&" else { return mark(";", start) }
        list.items[list.items.count - 1].inBackground = true
        if dialect == .posix, byte(0) == UInt8(ascii: ">") {
            looseAmpersand = start
        } else {
            mark("&", start)
        }
    }

    private mutating func item() throws(ShellSyntaxError) -> ShellItem {
        var item = ShellItem(pipelines: [try pipeline()])
        while case .symbol(let symbol) = try peek(), symbol == "&&" || symbol == "||" {
            mark(symbol, tokenStart)
            _ = try next()
            try skipNewlines()
            item.pipelines.append(try pipeline())
        }
        return item
    }

    private mutating func pipeline() throws(ShellSyntaxError) -> ShellPipeline {
        while case .word(let word) = try peek(), word.plain == "!" {
            mark("!", tokenStart)
            _ = try next()
            if dialect == .posix { break }
            if case .word(let word) = try peek(), word.plain == "!" { differs = true }
        }
        var pipeline = ShellPipeline(commands: [try command()])
        while case .symbol(let symbol) = try peek(), symbol == "|" || symbol == "|&" {
            if symbol == "|&" { mark(symbol, tokenStart) }
            _ = try next()
            try skipNewlines()
            pipeline.commands.append(try command())
        }
        return pipeline
    }

    /// The words that are none where a command begins.
    static let reserved: Set<String> = [
        "!", "case", "do", "done", "elif", "else", "esac", "fi", "for", "if", "in", "then", "until", "while", "{", "}",
    ]

    mutating func command() throws(ShellSyntaxError) -> ShellCommand {
        let start = tokenStart
        let token = try peek()
        if let ampersand = looseAmpersand {
            looseAmpersand = nil
            let simple = try self.simpleCommand()
            if case .simple(let command) = simple, command.words.isEmpty, command.assignments.isEmpty { return simple }
            mark("&", ampersand)
            return simple
        }
        switch token {
        case .symbol("("):
            mark("( )", tokenStart)
            return try compound { (parser) throws(ShellSyntaxError) in
                _ = try parser.next()
                var value = ShellCompound(lists: [try parser.list()])
                value.isSubshell = true
                try parser.expect(symbol: ")")
                return value
            }
        case .word(let word):
            guard let keyword = word.plain else { return try simpleCommand() }
            if dialect == .bash {
                if ["function", "select", "in"].contains(keyword) { differs = true }
                if keyword == "function" { return try bashFunction() }
                if keyword == "select" { return try keywordCommand("for", written: keyword) }
            }
            guard Self.reserved.contains(keyword) else { return try simpleCommand() }
            if dialect == .bash, keyword == "in" { return try simpleCommand() }
            return try keywordCommand(keyword, written: keyword)
        case .redirection, .number: return try simpleCommand()
        default:
            tokenStart = max(start, tokenStart)
            throw unexpected(token)
        }
    }

    private mutating func keywordCommand(_ keyword: String, written: String) throws(ShellSyntaxError) -> ShellCommand {
        mark(written, tokenStart)
        return try compound { (parser) throws(ShellSyntaxError) in
            switch keyword {
            case "{":
                _ = try parser.next()
                let value = ShellCompound(lists: [try parser.list()])
                try parser.expect(word: "}")
                return value
            case "if": return try parser.condition()
            case "while", "until":
                _ = try parser.next()
                let test = try parser.list()
                return ShellCompound(lists: [test, try parser.loopBody()])
            case "for": return try parser.forLoop()
            case "case": return try parser.caseCommand()
            default: throw parser.unexpected(try parser.peek())
            }
        }
    }

    private mutating func compound(
        _ body: (inout ShellParser) throws(ShellSyntaxError) -> ShellCompound
    ) throws(ShellSyntaxError) -> ShellCommand {
        try enter()
        var value = try body(&self)
        depth -= 1
        while let redirection = try redirection() { value.redirections.append(redirection) }
        return .compound(value)
    }

    private mutating func condition() throws(ShellSyntaxError) -> ShellCompound {
        var value = ShellCompound()
        _ = try next()
        value.lists.append(try list())
        try expect(word: "then")
        value.lists.append(try list())
        while true {
            guard case .word(let word) = try peek() else { throw unexpected(try peek()) }
            switch word.plain {
            case "elif":
                _ = try next()
                value.lists.append(try list())
                try expect(word: "then")
                value.lists.append(try list())
            case "else":
                _ = try next()
                value.lists.append(try list())
                try expect(word: "fi")
                return value
            default:
                try expect(word: "fi")
                return value
            }
        }
    }

    private mutating func loopBody() throws(ShellSyntaxError) -> ShellList {
        try expect(word: "do")
        let body = try list()
        try expect(word: "done")
        return body
    }

    private mutating func forLoop() throws(ShellSyntaxError) -> ShellCompound {
        _ = try next()
        guard case .word(let name) = try peek(), let variable = name.plain, Self.isName(variable) else {
            throw unexpected(try peek())
        }
        _ = try next()
        var value = ShellCompound(variable: variable)
        try skipNewlines()
        if case .word(let word) = try peek(), word.plain == "in" {
            _ = try next()
            while case .word(let word) = try peek() {
                value.words.append(word)
                _ = try next()
            }
            switch try peek() {
            case .newline, .symbol(";"): _ = try next()
            case let token: throw unexpected(token)
            }
        } else if case .symbol(";") = try peek() {
            _ = try next()
        }
        try skipNewlines()
        value.lists.append(try loopBody())
        return value
    }

    private mutating func caseCommand() throws(ShellSyntaxError) -> ShellCompound {
        _ = try next()
        guard case .word(let subject) = try peek() else { throw unexpected(try peek()) }
        _ = try next()
        var value = ShellCompound(words: [subject])
        try skipNewlines()
        try expect(word: "in")
        while true {
            try skipNewlines()
            if case .word(let word) = try peek(), word.plain == "esac" { break }
            if case .symbol("(") = try peek() { _ = try next() }
            while true {
                guard case .word(let pattern) = try peek() else { throw unexpected(try peek()) }
                value.words.append(pattern)
                _ = try next()
                guard case .symbol("|") = try peek() else { break }
                _ = try next()
            }
            try expect(symbol: ")")
            value.lists.append(try list(mayBeEmpty: true))
            guard case .symbol(let symbol) = try peek(), symbol == ";;" || symbol == ";&" || symbol == ";;&" else {
                break
            }
            _ = try next()
        }
        try expect(word: "esac")
        return value
    }
}
