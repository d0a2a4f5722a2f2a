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
        var complete = 0
        do throws(ShellSyntaxError) {
            while true {
                try skipNewlines()
                if case .end = try peek() { break }
                try joined(into: &list)
                let start = complete
                complete = list.pipelines.count
                if try endJoined(&list, from: start) { continue }
                switch try peek() {
                case .end, .newline: continue
                case let token: throw unexpected(token)
                }
            }
            return (list, nil)
        } catch {
            list.pipelines.removeLast(list.pipelines.count - complete)
            return (list, error)
        }
    }

    /// Commands up to a token that ends a list; the token is left.
    mutating func list(mayBeEmpty: Bool = false) throws(ShellSyntaxError) -> ShellList {
        var list = ShellList()
        while true {
            try skipNewlines()
            let token = try peek()
            if case .end = token, mayBeEmpty || !list.pipelines.isEmpty { return list }
            if endsList(token), mayBeEmpty || !list.pipelines.isEmpty { return list }
            let start = list.pipelines.count
            try joined(into: &list)
            if try endJoined(&list, from: start) { continue }
            guard case .newline = try peek() else { return list }
        }
    }

    /// Steps over the `;` or `&` that ends the pipelines from an index on; false when neither is there.
    private mutating func endJoined(_ list: inout ShellList, from first: Int) throws(ShellSyntaxError) -> Bool {
        let symbol = try peekSymbol()
        guard symbol == .semicolon || symbol == .background else { return false }
        let start = tokenStart
        skip()
        guard symbol == .background else {
            mark(";", start)
            return true
        }
        for index in first..<list.pipelines.count { list.pipelines[index].inBackground = true }
        if dialect == .posix, byte(0) == UInt8(ascii: ">") {
            looseAmpersand = start
        } else {
            mark("&", start)
        }
        return true
    }

    /// Pipelines joined by `&&` and `||`.
    private mutating func joined(into list: inout ShellList) throws(ShellSyntaxError) {
        list.pipelines.append(try pipeline())
        while let symbol = try peekSymbol(), symbol == .and || symbol == .or {
            mark(symbol.rawValue, tokenStart)
            skip()
            try skipNewlines()
            list.pipelines.append(try pipeline())
        }
    }

    private mutating func pipeline() throws(ShellSyntaxError) -> ShellPipeline {
        while try peekReserved() == .not {
            mark("!", tokenStart)
            skip()
            if dialect == .posix { break }
            if try peekReserved() == .not { differs = true }
        }
        var pipeline = ShellPipeline(commands: [try command()])
        while let symbol = try peekSymbol(), symbol == .pipe || symbol == .pipeBoth {
            if symbol == .pipeBoth { mark(symbol.rawValue, tokenStart) }
            skip()
            try skipNewlines()
            pipeline.commands.append(try command())
        }
        return pipeline
    }

    mutating func command() throws(ShellSyntaxError) -> ShellCommand {
        let start = tokenStart
        let reserved = try peekReserved()
        if let ampersand = looseAmpersand {
            looseAmpersand = nil
            let simple = try self.simpleCommand()
            if case .simple(let command) = simple, command.words.isEmpty, command.assignments.isEmpty { return simple }
            mark("&", ampersand)
            return simple
        }
        if let reserved { return try reservedCommand(reserved) }
        switch try peek() {
        case .word, .redirection, .number: return try simpleCommand()
        case .symbol(.open):
            mark("( )", tokenStart)
            return try compound { (parser) throws(ShellSyntaxError) in
                _ = try parser.next()
                var value = ShellCompound(lists: [try parser.list()])
                value.isSubshell = true
                try parser.expect(symbol: .close)
                return value
            }
        case let token:
            tokenStart = max(start, tokenStart)
            throw unexpected(token)
        }
    }

    private mutating func reservedCommand(_ word: ShellReservedWord) throws(ShellSyntaxError) -> ShellCommand {
        switch word {
        case .function, .select:
            guard dialect == .bash else { return try simpleCommand() }
            differs = true
            return word == .function ? try bashFunction() : try keywordCommand(.for, written: word)
        case .in where dialect == .bash:
            differs = true
            return try simpleCommand()
        default: return try keywordCommand(word, written: word)
        }
    }

    private mutating func keywordCommand(
        _ keyword: ShellReservedWord, written: ShellReservedWord
    ) throws(ShellSyntaxError) -> ShellCommand {
        mark(written.rawValue, tokenStart)
        return try compound { (parser) throws(ShellSyntaxError) in
            switch keyword {
            case .open:
                _ = try parser.next()
                let value = ShellCompound(lists: [try parser.list()])
                try parser.expect(word: .close)
                return value
            case .if: return try parser.condition()
            case .while, .until:
                _ = try parser.next()
                let test = try parser.list()
                return ShellCompound(lists: [test, try parser.loopBody()])
            case .for: return try parser.forLoop()
            case .case: return try parser.caseCommand()
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
        try expect(word: .then)
        value.lists.append(try list())
        while true {
            guard case .word(let word) = try peek() else { throw unexpected(try peek()) }
            switch word.reserved {
            case .elif:
                _ = try next()
                value.lists.append(try list())
                try expect(word: .then)
                value.lists.append(try list())
            case .else:
                _ = try next()
                value.lists.append(try list())
                try expect(word: .fi)
                return value
            default:
                try expect(word: .fi)
                return value
            }
        }
    }

    private mutating func loopBody() throws(ShellSyntaxError) -> ShellList {
        try expect(word: .do)
        let body = try list()
        try expect(word: .done)
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
        if try peekReserved() == .in {
            skip()
            while case .word(let word) = try peek() {
                value.words.append(word)
                _ = try next()
            }
            switch try peek() {
            case .newline, .symbol(.semicolon): _ = try next()
            case let token: throw unexpected(token)
            }
        } else if try peekSymbol() == .semicolon {
            skip()
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
        try expect(word: .in)
        while true {
            try skipNewlines()
            if try peekReserved() == .esac { break }
            if try peekSymbol() == .open { skip() }
            while true {
                guard case .word(let pattern) = try peek() else { throw unexpected(try peek()) }
                value.words.append(pattern)
                _ = try next()
                guard try peekSymbol() == .pipe else { break }
                skip()
            }
            try expect(symbol: .close)
            value.lists.append(try list(mayBeEmpty: true))
            let end = try peekSymbol()
            guard end == .caseEnd || end == .caseThrough || end == .caseNext else { break }
            skip()
        }
        try expect(word: .esac)
        return value
    }
}
