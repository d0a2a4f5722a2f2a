// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

/// Whose reading of a text: `/bin/sh` is one of the two, and where they differ both must be harmless.
enum ShellDialect: Sendable, Hashable {
    /// What dash and the ash of busybox read.
    case posix
    /// What bash reads, and near enough ksh and zsh.
    case bash
}

/// Commands in order.
struct ShellList: Sendable {
    var items: [ShellItem] = []
}

/// Pipelines joined by `&&` and `||`.
struct ShellItem: Sendable {
    var pipelines: [ShellPipeline]
    /// Whether it ends with `&`.
    var inBackground = false
}

/// Commands joined by `|`.
struct ShellPipeline: Sendable {
    var commands: [ShellCommand]
}

/// One command of a pipeline.
indirect enum ShellCommand: Sendable {
    /// Assignments, words and redirections.
    case simple(ShellSimpleCommand)
    /// A group, subshell, loop, condition or `case`.
    case compound(ShellCompound)
    /// The definition of a function.
    case function(name: String, body: ShellCommand)
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

    /// The text of a word without quotes and expansions, as a reserved word must be written.
    var plain: String? {
        guard parts.count == 1, case .text(let bytes, quoted: false) = parts[0] else { return nil }
        return String(decoding: bytes, as: UTF8.self)
    }
}

/// A run of a word.
indirect enum ShellWordPart: Sendable {
    /// Text; quoted when nothing in it is special.
    case text([UInt8], quoted: Bool)
    /// `$name` and `${name…}`.
    case parameter(ShellParameter, quoted: Bool)
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
