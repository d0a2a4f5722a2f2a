// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

/// Whose reading of a text: `/bin/sh` is one of the two, and where they differ both must be harmless.
enum ShellDialect: Sendable, Hashable {
    /// What dash and the ash of busybox read.
    case posix
    /// What bash reads, and near enough ksh and zsh.
    case bash
}

/// Pipelines in order: whether `;`, `&&` or `||` stands between them makes no difference to what they may do.
struct ShellList: Sendable {
    var pipelines: [ShellPipeline] = []
}

/// Commands joined by `|`.
struct ShellPipeline: Sendable {
    var commands: [ShellCommand]
    /// Whether a `&` ends it, or those that `&&` and `||` join it to.
    var inBackground = false
}

/// One command of a pipeline.
enum ShellCommand: Sendable {
    /// Assignments, words and redirections.
    case simple(ShellSimpleCommand)
    /// A group, subshell, loop, condition or `case`.
    indirect case compound(ShellCompound)
    /// The definition of a function.
    indirect case function(name: String, body: ShellCommand)
}

/// A plain command.
struct ShellSimpleCommand: Sendable {
    var assignments: [ShellAssignment] = []
    var words: [ShellWord] = []
    var redirections: [ShellRedirection] = []
    var position: Int
}

/// `name=value` before a command.
struct ShellAssignment: Sendable {
    var name: String
    var value: ShellWord
}

/// A command that holds others.
struct ShellCompound: Sendable {
    /// The variable of `for`.
    var variable: String?
    /// What `for` goes through, and what `case` compares.
    var words: [ShellWord] = []
    /// Conditions and bodies in the order of the text.
    var lists: [ShellList] = []
    /// Whether it is `( )`: what it changes ends with it.
    var isSubshell = false
    var redirections: [ShellRedirection] = []
}

/// Where a descriptor goes.
struct ShellRedirection: Sendable {
    /// The operators, by what they do.
    enum Kind: Sendable, Hashable {
        /// `<`.
        case read
        /// `>`, `>>`, `>|`, `<>`, `&>` and `>&` with a name.
        case write
        /// `>&` and `<&` with a number or `-`.
        case duplicate
        /// `<<` and `<<-`.
        case hereDocument
        /// `<<<`.
        case hereString
    }

    var kind: Kind
    var target: ShellWord
    /// Which of ``ShellParser/hereDocuments``.
    var document: Int?
    var position: Int
}

/// A word before anything is expanded.
struct ShellWord: Sendable {
    var parts: [ShellWordPart]
    var position: Int
    /// What it is where the grammar looks for a reserved word: those count without quotes only.
    var reserved: ShellReservedWord?

    /// The text of a word without quotes and expansions.
    var plain: String? {
        guard parts.count == 1, case .text(let bytes, quoted: false) = parts[0] else { return nil }
        return String(decoding: bytes, as: UTF8.self)
    }
}

/// The words that are none where a command begins. The last two are words of bash.
enum ShellReservedWord: String, Sendable, CaseIterable {
    case not = "!"
    case open = "{"
    case close = "}"
    case `case`, `do`, done, elif, `else`, esac, fi, `for`, `if`, `in`, then, until, `while`
    case function, select

    /// By up to eight bytes as one number.
    private static let byKey = Dictionary(uniqueKeysWithValues: allCases.map { (key($0.rawValue.utf8), $0) })

    private static func key(_ bytes: some Sequence<UInt8>) -> UInt64 { bytes.reduce(0) { $0 << 8 | UInt64($1) } }

    /// Nil for any other word.
    init?(_ parts: [ShellWordPart]) {
        guard parts.count == 1, case .text(let bytes, quoted: false) = parts[0], bytes.count <= 8,
            let word = Self.byKey[Self.key(bytes)], bytes.first != 0
        else { return nil }
        self = word
    }
}

/// A run of a word.
enum ShellWordPart: Sendable {
    /// Text; quoted when nothing in it is special.
    case text([UInt8], quoted: Bool)
    /// `$name` and `${name…}`.
    indirect case parameter(ShellParameter, quoted: Bool)
    /// `$( )` and back-quotes.
    case command(ShellList, quoted: Bool)
    /// `$(( ))`.
    case arithmetic([ShellWordPart])
    /// `<( )` and `>( )`; input when the commands read what is written to it.
    case process(ShellList, input: Bool)
    /// The words of `name=( )`.
    case array([ShellWord])
}

/// A parameter expansion.
struct ShellParameter: Sendable {
    var name: String
    /// What stands after the name, such as `:-` or `%%`; empty for the plain value.
    var operation: String
    var argument: [ShellWordPart]
}

/// The lines after `<<`.
struct ShellHereDocument: Sendable {
    /// The body; expansions only where the delimiter was not quoted.
    var parts: [ShellWordPart]
}

/// Something that only a whole shell program may contain; see V2.
struct ShellMark: Sendable {
    var what: String
    var position: Int
}

/// Why a text was not understood.
struct ShellSyntaxError: Error, Sendable {
    /// What was wrong, in a few words.
    var message: String
    /// Where, in bytes.
    var position: Int
    /// V0 for a character that may not be there, otherwise V1.
    var rule = "V1"
    /// Whether the text may well be correct, but goes over a bound.
    var isBound = false
}
