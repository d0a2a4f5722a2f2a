// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

/// Which options of a program take an argument, for the rules of `getopt_long`.
struct OptionSpecification: Sendable {
    /// Letters whose argument is the rest of the word or the next word.
    var letters: String = ""
    /// Letters whose argument is only ever the rest of the word.
    var attached: String = ""
    /// Long options, without dashes, whose argument follows `=` or is the next word.
    var long: [String] = []
    /// Whether everything but ``letters`` and ``long`` takes an argument: for programs with few plain flags.
    var isInverted = false

    func takesArgument(letter: Character) -> Bool { letters.contains(letter) != isInverted }

    /// A long option may be cut where it stays clear which is meant.
    func takesArgument(long name: String) -> Bool {
        if isInverted { return !long.contains(name) }
        return long.contains { $0 == name } || name.count > 1 && long.contains { $0.hasPrefix(name) }
    }
}

/// The options and operands of a command.
struct CommandOptions: Sendable {
    /// One option: `-x` or `--name`, and its argument.
    struct Option: Sendable {
        var name: String
        var value: ShellArgument?
    }

    var options: [Option] = []
    var operands: [ShellArgument] = []

    /// Reads what follows a program's name.
    ///
    /// - Parameter inOrder: Whether the first operand ends the options, as for programs that run another.
    init(_ arguments: some Collection<ShellArgument>, _ specification: OptionSpecification, inOrder: Bool = true) {
        var rest = Array(arguments)[...]
        while let argument = rest.popFirst() {
            let text = argument.text
            if text == "--", !argument.isDynamic {
                operands += rest
                return
            }
            let isOption =
                text.hasPrefix("-") && text != "-"
                && (argument.isPlain || argument.pieces.first == .byte(UInt8(ascii: "-")))
            guard isOption else {
                operands.append(argument)
                guard inOrder else { continue }
                operands += rest
                return
            }
            if text.hasPrefix("--") {
                readLong(argument, specification, &rest)
            } else {
                readLetters(argument, specification, &rest)
            }
        }
    }

    private mutating func readLong(
        _ argument: ShellArgument, _ specification: OptionSpecification, _ rest: inout ArraySlice<ShellArgument>
    ) {
        if let equals = argument.pieces.firstIndex(of: .byte(UInt8(ascii: "="))) {
            let name = ShellArgument(pieces: Array(argument.pieces[..<equals]), position: argument.position).text
            options.append(Option(name: name, value: argument.dropping(equals + 1)))
        } else if specification.takesArgument(long: String(argument.text.dropFirst(2))) {
            options.append(Option(name: argument.text, value: rest.popFirst()))
        } else {
            options.append(Option(name: argument.text, value: nil))
        }
    }

    private mutating func readLetters(
        _ argument: ShellArgument, _ specification: OptionSpecification, _ rest: inout ArraySlice<ShellArgument>
    ) {
        let pieces = argument.pieces
        for (index, piece) in pieces.enumerated().dropFirst() {
            let letter: Character
            switch piece {
            case .byte(let byte), .glob(let byte): letter = Character(UnicodeScalar(byte))
            case .home, .unknown: return
            }
            let isLast = index == pieces.count - 1
            if specification.attached.contains(letter) {
                options.append(Option(name: "-\(letter)", value: isLast ? nil : argument.dropping(index + 1)))
                return
            }
            guard specification.takesArgument(letter: letter) else {
                options.append(Option(name: "-\(letter)", value: nil))
                continue
            }
            options.append(Option(name: "-\(letter)", value: isLast ? rest.popFirst() : argument.dropping(index + 1)))
            return
        }
    }

    /// Whether one of these options is given; a long one may be cut.
    func has(_ names: String...) -> Bool {
        options.contains { option in names.contains { Self.means(option.name, $0) } }
    }

    /// The arguments of these options.
    func values(_ names: [String]) -> [ShellArgument] {
        options.compactMap { option in names.contains { Self.means(option.name, $0) } ? option.value : nil }
    }

    private static func means(_ written: String, _ name: String) -> Bool {
        written == name || written.hasPrefix("--") && written.count > 3 && name.hasPrefix(written)
    }
}
