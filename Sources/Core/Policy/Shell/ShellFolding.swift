// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

/// What a few commands print, known without running them.
enum ShellFolding {
    /// What a substitution of one plain `echo` or `printf` yields.
    static func output(of list: ShellList) -> [UInt8]? {
        guard let command = only(list), let text = output(of: command) else { return nil }
        var bytes = text
        while bytes.last == UInt8(ascii: "\n") { bytes.removeLast() }
        return bytes
    }

    /// Whether a substitution yields the name of a new file or directory, or nothing that is short of one.
    static func isTemporary(_ list: ShellList) -> Bool {
        only(list)?.words.first?.plain == "mktemp"
    }

    /// What one plain `echo` or `printf` writes.
    static func output(of command: ShellSimpleCommand) -> [UInt8]? {
        var words: [String] = []
        for word in command.words {
            guard word.isStatic, let arguments = ShellExpander.arguments(word) else { return nil }
            for argument in arguments {
                guard !argument.isDynamic else { return nil }
                words.append(argument.text)
            }
            // Few programs are known; the words of all others need not be looked at.
            if let name = words.first, !name.hasSuffix("echo"), !name.hasSuffix("printf") { return nil }
        }
        guard let name = words.first?.split(separator: "/").last else { return nil }
        var rest = words.dropFirst()
        switch name {
        case "echo":
            while let first = rest.first, first.hasPrefix("-"), first.count > 1,
                first.dropFirst().allSatisfy({ "neE".contains($0) })
            {
                rest = rest.dropFirst()
            }
            return unescaped(rest.joined(separator: " ")) + [UInt8(ascii: "\n")]
        case "printf":
            if rest.first == "--" { rest = rest.dropFirst() }
            guard let format = rest.first else { return nil }
            return formatted(format, Array(rest.dropFirst()))
        default: return nil
        }
    }

    private static func only(_ list: ShellList) -> ShellSimpleCommand? {
        guard list.pipelines.count == 1, let pipeline = list.pipelines.first, pipeline.commands.count == 1,
            case .simple(let command) = pipeline.commands[0]
        else { return nil }
        return command
    }

    private static func unescaped(_ text: String) -> [UInt8] {
        let bytes = Array(text.utf8)
        var result: [UInt8] = []
        var at = 0
        while at < bytes.count {
            let byte = bytes[at]
            at += 1
            if byte == UInt8(ascii: "\\"), at < bytes.count {
                result += ANSIEscape.decode(bytes, &at)
            } else {
                result.append(byte)
            }
        }
        return result
    }

    private static func formatted(_ format: String, _ arguments: [String]) -> [UInt8]? {
        var result: [UInt8] = []
        var left = arguments[...]
        let bytes = unescaped(format)
        repeat {
            let before = left.count
            var at = 0
            while at < bytes.count {
                let byte = bytes[at]
                at += 1
                guard byte == UInt8(ascii: "%"), at < bytes.count else {
                    result.append(byte)
                    continue
                }
                let conversion = bytes[at]
                at += 1
                switch conversion {
                case UInt8(ascii: "%"): result.append(conversion)
                case UInt8(ascii: "s"), UInt8(ascii: "b"), UInt8(ascii: "d"):
                    result +=
                        conversion == UInt8(ascii: "b") ? unescaped(left.first ?? "") : Array((left.first ?? "").utf8)
                    left = left.dropFirst()
                default: return nil
                }
            }
            guard left.count < before, result.count <= InputGate.maximumBytes * 4 else { break }
        } while !left.isEmpty
        return result
    }
}
