// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

/// Turns words into arguments: lists in braces, the tilde, quotes and patterns, in the order of bash.
struct ShellExpander {
    /// The most arguments that one word may become.
    static let maximumArguments = 512
    /// The most bytes that they may have together.
    static let maximumPieces = 65_536

    /// A byte with its quoting, before braces are looked at.
    private struct Atom {
        var piece: ShellPiece
        var isQuoted: Bool

        func isPlain(_ character: Unicode.Scalar) -> Bool {
            !isQuoted && piece == .byte(UInt8(ascii: character))
        }
    }

    /// The arguments of a word; nil when its lists in braces have too many.
    static func arguments(_ word: ShellWord) -> [ShellArgument]? {
        if let text = plainText(of: word.parts) { return [ShellArgument(bytes: text, position: word.position)] }
        let atoms = atoms(of: word.parts)
        guard atoms.contains(where: { $0.isPlain("{") }) else {
            return [argument(atoms, word, isPattern: false)].filter { !isNothing($0, word) }
        }
        guard let lists = braces(atoms) else { return nil }
        let isList = lists.count > 1
        return lists.map { argument($0, word, isPattern: isList) }
    }

    /// The one value of a word where nothing is split and no braces are looked at, such as an assignment's.
    static func value(_ word: ShellWord) -> ShellArgument {
        if let text = plainText(of: word.parts) { return ShellArgument(bytes: text, position: word.position) }
        return argument(atoms(of: word.parts), word, isPattern: false, globs: false)
    }

    /// The value of parts that are quoted as a whole, such as a here-document.
    static func value(_ parts: [ShellWordPart], position: Int?) -> ShellArgument {
        ShellArgument(pieces: atoms(of: parts).map(\.piece), position: position)
    }

    /// The text of a word in which nothing is expanded, as most are; nil where that must be looked at byte by byte.
    private static func plainText(of parts: [ShellWordPart]) -> [UInt8]? {
        var text: [UInt8] = []
        for part in parts {
            guard case .text(let bytes, let quoted) = part, quoted || !bytes.contains(where: mayExpand) else {
                return nil
            }
            if parts.count == 1 { return bytes }
            text += bytes
        }
        return parts.isEmpty ? nil : text
    }

    private static func mayExpand(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "~"), UInt8(ascii: "{"), UInt8(ascii: "*"), UInt8(ascii: "?"), UInt8(ascii: "["),
            UInt8(ascii: "]"):
            true
        default: false
        }
    }

    private static func isNothing(_ argument: ShellArgument, _ word: ShellWord) -> Bool {
        argument.pieces.isEmpty && word.parts.isEmpty
    }

    private static func atoms(of parts: [ShellWordPart]) -> [Atom] {
        var atoms: [Atom] = []
        for part in parts {
            switch part {
            case .text(let bytes, let quoted):
                for byte in bytes { atoms.append(Atom(piece: .byte(byte), isQuoted: quoted)) }
            case .parameter(let parameter, let quoted):
                atoms.append(Atom(piece: piece(parameter, quoted: quoted), isQuoted: true))
            case .command(let list, let quoted):
                if let text = ShellFolding.output(of: list) {
                    for byte in text { atoms.append(Atom(piece: .byte(byte), isQuoted: true)) }
                    // The value is known, but that it is an expansion still counts.
                    atoms.append(Atom(piece: unknown("", mayBeEmpty: true, splits: !quoted), isQuoted: true))
                } else {
                    let isSafe = ShellFolding.isTemporary(list)
                    atoms.append(Atom(piece: unknown("", mayBeEmpty: !isSafe, splits: !quoted), isQuoted: true))
                }
            case .arithmetic: atoms.append(Atom(piece: unknown("", mayBeEmpty: false, splits: false), isQuoted: true))
            case .process:
                atoms.append(Atom(piece: unknown(processName, mayBeEmpty: false, splits: false), isQuoted: true))
            case .array: atoms.append(Atom(piece: unknown("", mayBeEmpty: true, splits: false), isQuoted: true))
            }
        }
        return atoms
    }

    /// What stands for the name of a variable where a process stands.
    static let processName = "<()"

    private static func unknown(_ name: String, mayBeEmpty: Bool, splits: Bool) -> ShellPiece {
        .unknown(ShellUnknown(name: name, mayBeEmpty: mayBeEmpty, splits: splits))
    }

    private static func piece(_ parameter: ShellParameter, quoted: Bool) -> ShellPiece {
        if parameter.name == "HOME", parameter.operation.isEmpty || parameter.operation == ":?" { return .home }
        let isCount = parameter.operation == "#" && parameter.argument.isEmpty
        var isGiven = isCount || parameter.operation == ":?" || ["#", "?", "$", "0"].contains(parameter.name)
        if parameter.operation == ":-" || parameter.operation == ":=" {
            isGiven = atoms(of: parameter.argument).contains { atom in
                if case .unknown(let value) = atom.piece { !value.mayBeEmpty } else { true }
            }
        }
        let hasFallback = [":-", ":=", "-", "="].contains(parameter.operation)
        return .unknown(
            ShellUnknown(
                name: parameter.name, mayBeEmpty: !isGiven, splits: !quoted,
                fallback: hasFallback ? atoms(of: parameter.argument).map(\.piece) : nil))
    }

    private static func argument(
        _ atoms: [Atom], _ word: ShellWord, isPattern: Bool, globs: Bool = true
    ) -> ShellArgument {
        var pieces: [ShellPiece] = []
        pieces.reserveCapacity(atoms.count)
        var rest = atoms[...]
        if let first = rest.first, first.isPlain("~") {
            let user = rest.dropFirst().prefix { !$0.isPlain("/") }
            let isName = user.allSatisfy {
                guard !$0.isQuoted, case .byte(let byte) = $0.piece else { return false }
                return ShellParser.isNameByte(byte) || byte == UInt8(ascii: "-") || byte == UInt8(ascii: "+")
            }
            if isName {
                pieces.append(.home)
                rest = rest.dropFirst(1 + user.count)
            }
        }
        let closesBracket = rest.last { $0.isPlain("]") } != nil
        for atom in rest {
            guard globs, !atom.isQuoted, case .byte(let byte) = atom.piece else {
                pieces.append(atom.piece)
                continue
            }
            let isGlob =
                byte == UInt8(ascii: "*") || byte == UInt8(ascii: "?")
                || closesBracket && (byte == UInt8(ascii: "[") || byte == UInt8(ascii: "]"))
            pieces.append(isGlob ? .glob(byte) : atom.piece)
        }
        return ShellArgument(pieces: pieces, position: word.position, isPattern: isPattern)
    }

    // Braces

    /// Every choice of the lists in braces, at most ``maximumArguments``; nil when there are more.
    private static func braces(_ atoms: [Atom]) -> [[Atom]]? {
        var work = [atoms]
        var done: [[Atom]] = []
        var pieces = 0
        while let next = work.popLast() {
            pieces += next.count
            guard work.count + done.count < maximumArguments, pieces <= maximumPieces else { return nil }
            guard let list = firstList(next) else {
                done.append(next)
                continue
            }
            let before = next[..<list.open]
            let after = next[(list.close + 1)...]
            guard let choices = list.choices else {
                let any = Atom(piece: .glob(UInt8(ascii: "*")), isQuoted: true)
                work.append(Array(before) + [any] + Array(after))
                continue
            }
            for choice in choices.reversed() { work.append(Array(before) + Array(next[choice]) + Array(after)) }
        }
        return done
    }

    /// The first list in braces, with its choices; nil choices for a sequence such as `{a..z}`.
    private static func firstList(
        _ atoms: [Atom]
    ) -> (open: Int, close: Int, choices: [Range<Int>]?)? {
        var stack: [(open: Int, commas: [Int], dots: Bool)] = []
        var best: (open: Int, close: Int, choices: [Range<Int>]?)?
        for index in atoms.indices {
            let atom = atoms[index]
            if atom.isPlain("{") {
                stack.append((index, [], false))
            } else if atom.isPlain(","), !stack.isEmpty {
                stack[stack.count - 1].commas.append(index)
            } else if atom.isPlain("."), !stack.isEmpty, index > 0, atoms[index - 1].isPlain(".") {
                stack[stack.count - 1].dots = true
            } else if atom.isPlain("}"), let list = stack.popLast() {
                guard !list.commas.isEmpty || list.dots else { continue }
                if let best, best.open < list.open { continue }
                var choices: [Range<Int>]?
                if !list.commas.isEmpty {
                    let ends = [list.open] + list.commas + [index]
                    choices = zip(ends, ends.dropFirst()).map { ($0 + 1)..<$1 }
                }
                best = (list.open, index, choices)
                if stack.isEmpty { break }
            }
        }
        return best
    }
}
