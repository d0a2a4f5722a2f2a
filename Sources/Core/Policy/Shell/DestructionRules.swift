// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

/// D1: removing what holds a system together. D4: changing who may use it.
struct DestructionRules: Sendable {
    /// Where relative paths begin, if that is known.
    var directory: String?
    /// What was assigned to variables somewhere in the text.
    var variables: [String: [ShellArgument]]

    private enum Kind {
        case removes, moves, changesPermissions
    }

    private static let kinds: [String: Kind] = [
        "rm": .removes, "grm": .removes, "srm": .removes, "rimraf": .removes, "trash": .removes, "rmtree": .removes,
        "mv": .moves, "gmv": .moves,
        "chmod": .changesPermissions, "chown": .changesPermissions, "chgrp": .changesPermissions,
        "gchmod": .changesPermissions, "gchown": .changesPermissions, "setfacl": .changesPermissions,
        "chattr": .changesPermissions, "chcon": .changesPermissions,
    ]

    func finding(_ name: String, _ arguments: ArraySlice<ShellArgument>, at position: Int?) -> ShellFinding? {
        switch Self.kinds[name] {
        case .removes: return remove(arguments, always: name == "rimraf")
        case .moves:
            let operands = CommandOptions(
                arguments, OptionSpecification(letters: "tS", long: ["target-directory", "suffix"]), inOrder: false
            ).operands
            for operand in operands where reach(operand) != .other && !hasOnlyBareValue(operand) {
                if operands.count > 1, operand == operands.last { continue }
                return ShellFinding("D1", "it moves \(operand.text), which the system needs", at: operand.position)
            }
            return nil
        case .changesPermissions: return permissions(name, arguments)
        case nil: return nil
        }
    }

    private func remove(_ arguments: ArraySlice<ShellArgument>, always: Bool) -> ShellFinding? {
        let options = CommandOptions(arguments, OptionSpecification(), inOrder: false)
        if options.options.contains(where: { $0.name.hasPrefix("--no") && "--no-preserve-root".hasPrefix($0.name) }) {
            return ShellFinding(
                "D1", "--no-preserve-root exists only to remove the root", at: arguments.first?.position)
        }
        let isRecursive =
            always || options.has("-r", "-R")
            || options.options.contains { $0.name.count > 2 && "--recursive".hasPrefix($0.name) }
            || options.operands.contains { isSplit($0) } && options.operands.count > 1
        guard isRecursive else { return nil }
        return options.operands.lazy.compactMap { removal(of: $0) }.first
    }

    private func isSplit(_ argument: ShellArgument) -> Bool {
        guard argument.isBare, case .unknown(let unknown) = argument.pieces[0] else { return false }
        return unknown.splits
    }

    /// Why nothing at this path may be removed with all that is below it.
    func removal(of operand: ShellArgument) -> ShellFinding? {
        let position = operand.position
        let values = values(of: operand)
        for value in values {
            switch reach(value) {
            case .root:
                return ShellFinding(
                    "D1",
                    operand.isDynamic && values.count == 1
                        ? "it removes / when \(operand.text) begins with nothing; write ${NAME:?} so that it stops then"
                        : "it removes everything: \(operand.text) is the root", at: position)
            case .directory:
                return ShellFinding(
                    "D1", "it removes \(operand.text), which is or may be a directory the system needs", at: position)
            case .other: continue
            }
        }
        if values.contains(where: hasOnlyBareValue) {
            return ShellFinding(
                "D1", "what it removes is only known when it runs; write ${NAME:?}, or the path", at: position)
        }
        return nil
    }

    private func hasOnlyBareValue(_ argument: ShellArgument) -> Bool {
        guard argument.isBare else { return false }
        return argument.pieces.contains { if case .unknown(let unknown) = $0 { unknown.mayBeEmpty } else { false } }
    }

    private func reach(_ argument: ShellArgument) -> ProtectedPaths.Reach {
        ProtectedPaths.reach(argument, in: directory)
    }

    /// The argument with each known value of its first variable, as far as any are known.
    func values(of argument: ShellArgument) -> [ShellArgument] {
        var done: [ShellArgument] = []
        var work = [(argument, 0)]
        while let (next, round) = work.popLast() {
            var known: [ShellArgument]?
            var place = 0
            for (index, piece) in next.pieces.enumerated() {
                guard case .unknown(var unknown) = piece else { continue }
                known = variables[unknown.name]
                if let fallback = unknown.fallback {
                    unknown.fallback = nil
                    let itself = ShellArgument(pieces: [.unknown(unknown)], position: nil)
                    known = (known ?? [itself]) + [ShellArgument(pieces: fallback, position: nil)]
                }
                place = index
                if known != nil { break }
            }
            guard let known, round < 4, done.count + work.count < 64 else {
                done.append(next)
                continue
            }
            for value in known.prefix(16) {
                var pieces = next.pieces
                pieces.replaceSubrange(place...place, with: value.pieces)
                work.append((ShellArgument(pieces: pieces, position: argument.position), round + 1))
            }
        }
        return done
    }

    private func permissions(_ name: String, _ arguments: ArraySlice<ShellArgument>) -> ShellFinding? {
        let options = CommandOptions(
            arguments,
            OptionSpecification(
                letters: name == "setfacl" ? "mMxX" : "", long: ["reference", "from", "modify", "set", "remove"]),
            inOrder: false)
        guard options.has("-R", "--recursive") || options.options.contains(where: { $0.name == "--recursive" }) else {
            return nil
        }
        for operand in options.operands {
            for value in values(of: operand) where reach(value) != .other {
                return ShellFinding(
                    "D4", "it changes the permissions of everything below \(operand.text)", at: operand.position)
            }
        }
        return nil
    }
}

/// D1 for `find`, and what it runs.
struct FindCommand: Sendable {
    var roots: [ShellArgument] = []
    /// Whether tests choose some files by more than their kind.
    var isFiltered = false
    var deletes = false
    /// The commands of `-exec` and the like.
    var commands: [[ShellArgument]] = []
    /// Files that it writes.
    var written: [ShellArgument] = []

    private static let flags: Set<String> = [
        "-depth", "-d", "-xdev", "-mount", "-follow", "-daystart", "-noleaf", "-ignore_readdir_race", "-print",
        "-print0",
        "-ls", "-prune", "-quit", "-true", "-a", "-and", "-o", "-or", "!", "-not", "(", ")", ",", "-warn", "-nowarn",
    ]
    private static let weak: Set<String> = [
        "-type", "-maxdepth", "-mindepth", "-printf", "-xtype", "-fstype", "-regextype",
    ]

    init(_ arguments: ArraySlice<ShellArgument>) {
        var rest = arguments
        while let first = rest.first,
            ["-H", "-L", "-P"].contains(first.text) || first.text.hasPrefix("-O") || first.text == "-D"
        {
            rest = rest.dropFirst(first.text == "-D" ? 2 : 1)
        }
        while let first = rest.first {
            let text = first.text
            if text.hasPrefix("-"), text.count > 1 || text == "(" || text == "!" { break }
            if text == "(" || text == "!" || text == "," { break }
            roots.append(first)
            rest = rest.dropFirst()
        }
        while let test = rest.popFirst() {
            switch test.text {
            case "-delete": deletes = true
            case "-exec", "-execdir", "-ok", "-okdir":
                let end = rest.firstIndex { $0.text == ";" || $0.text == "+" } ?? rest.endIndex
                commands.append(Array(rest[..<end]))
                rest = rest[end...].dropFirst()
            case "-fprint", "-fprint0", "-fls":
                if let file = rest.popFirst() { written.append(file) }
            case "-fprintf":
                if let file = rest.popFirst() { written.append(file) }
                _ = rest.popFirst()
            case "-files0-from", "-f":
                _ = rest.popFirst()
            case let text where Self.weak.contains(text): _ = rest.popFirst()
            case let text where Self.flags.contains(text): continue
            case "-name", "-iname", "-path", "-ipath", "-wholename", "-lname", "-regex":
                let pattern = rest.popFirst()?.text ?? "*"
                if !pattern.allSatisfy({ "*?./".contains($0) }) { isFiltered = true }
            default: isFiltered = true
            }
        }
    }

    /// Why its walk may not remove what it finds.
    func finding(_ rules: DestructionRules, at position: Int?) -> ShellFinding? {
        let removing = commands.contains { command in
            let words = command.map { $0.text.split(separator: "/").last.map(String.init) ?? "" }
            guard let program = words.firstIndex(where: { ["rm", "unlink", "shred", "rmdir"].contains($0) }) else {
                return false
            }
            let options = words[(program + 1)...].filter { $0.hasPrefix("-") }
            let isRecursive = options.contains {
                $0.hasPrefix("--r") || !$0.hasPrefix("--") && ($0.contains("r") || $0.contains("R"))
            }
            return isRecursive || !isFiltered
        }
        guard deletes || removing else { return nil }
        for root in roots {
            for value in rules.values(of: root) {
                switch ProtectedPaths.reach(value, in: rules.directory) {
                case .root: break
                case .directory where !isFiltered: break
                default: continue
                }
                return ShellFinding("D1", "it removes what find meets below \(root.text)", at: root.position)
            }
        }
        if roots.isEmpty, !isFiltered, let directory = rules.directory,
            ProtectedPaths.reach(ShellArgument(directory), in: nil) != .other
        {
            return ShellFinding("D1", "it removes what find meets below \(directory)", at: position)
        }
        return nil
    }
}
