// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

extension ShellJudge {
    /// V6 for awk: what its program hands to a shell. D8: a program that awk reads from a pipe.
    mutating func awk(_ arguments: ArraySlice<ShellArgument>, _ scene: ShellScene, at position: Int?) {
        let options = CommandOptions(
            arguments,
            OptionSpecification(
                letters: "Fvfeil", attached: "dopDLW",
                long: ["field-separator", "assign", "file", "source", "include", "load", "exec"]))
        var texts = options.values(["-e", "--source"])
        let files = options.values(["-f", "--file", "-i", "--include", "--exec"])
        for file in files where file.text == "-" || file.text == "/dev/stdin" {
            guard case .none = scene.input else {
                report("D8", "awk would run what a pipe brings, which nobody can judge", at: position)
                continue
            }
        }
        if texts.isEmpty, files.isEmpty { texts += options.operands.prefix(1) }
        for text in texts { awkProgram(text, scene) }
    }

    private mutating func awkProgram(_ program: ShellArgument, _ scene: ShellScene) {
        let calls = AwkCalls(program.knownText)
        for call in calls.found {
            if call.isWhole {
                self.program(ShellArgument(call.text, position: program.position ?? scene.origin), .posix, scene)
                continue
            }
            if mode.allowsOnlyPlainCommands {
                report("V6", "awk makes a command of what it reads", at: program.position)
            }
            scan("system \"\(call.text)\"", scene, at: program.position)
        }
        if mode == .whitelist, !calls.found.isEmpty { report("V6", "awk runs commands", at: program.position) }
    }
}

/// The commands in an awk program: `system(…)`, and texts before or behind `|`.
struct AwkCalls: Sendable {
    struct Call: Sendable {
        var text: String
        /// Whether the text is the whole command.
        var isWhole: Bool
    }

    private(set) var found: [Call] = []

    init(_ program: String) {
        let bytes = Array(program.utf8)
        var at = 0
        var expectsCommand = false
        while at < bytes.count, found.count < 64 {
            switch bytes[at] {
            case UInt8(ascii: "\""):
                let text = Self.string(bytes, &at)
                var next = at
                while next < bytes.count, bytes[next] == UInt8(ascii: " ") || bytes[next] == UInt8(ascii: ")") {
                    next += 1
                }
                let isPiped = Self.isPipe(bytes, next)
                if expectsCommand || isPiped {
                    let ends = next >= bytes.count || isPiped || ";}\n|&".utf8.contains(bytes[next])
                    found.append(Call(text: text, isWhole: ends))
                }
                expectsCommand = false
            case UInt8(ascii: "|"):
                let isOr = at + 1 < bytes.count && bytes[at + 1] == UInt8(ascii: "|")
                at += isOr ? 2 : 1
                if !isOr, at < bytes.count, bytes[at] == UInt8(ascii: "&") { at += 1 }
                expectsCommand = !isOr && !Self.startsWith(bytes, at, "getline", skippingBlanks: true)
            case UInt8(ascii: "s") where Self.startsWith(bytes, at, "system", skippingBlanks: false):
                at += 6
                var next = at
                while next < bytes.count, bytes[next] == UInt8(ascii: " ") || bytes[next] == UInt8(ascii: "(") {
                    next += 1
                }
                if next > at, next < bytes.count, bytes[next] != UInt8(ascii: "\"") {
                    found.append(Call(text: "", isWhole: false))
                } else {
                    expectsCommand = next > at
                }
                at = next
            case UInt8(ascii: " "), UInt8(ascii: "("): at += 1
            default:
                if expectsCommand {
                    found.append(Call(text: "", isWhole: false))
                    expectsCommand = false
                }
                at += 1
            }
        }
    }

    private static func string(_ bytes: [UInt8], _ at: inout Int) -> String {
        var value: [UInt8] = []
        at += 1
        while at < bytes.count, bytes[at] != UInt8(ascii: "\"") {
            if bytes[at] == UInt8(ascii: "\\"), at + 1 < bytes.count {
                at += 1
                value += ANSIEscape.decode(bytes, &at)
            } else {
                value.append(bytes[at])
                at += 1
            }
        }
        at += 1
        return String(decoding: value, as: UTF8.self)
    }

    private static func isPipe(_ bytes: [UInt8], _ at: Int) -> Bool {
        guard at < bytes.count, bytes[at] == UInt8(ascii: "|") else { return false }
        guard at + 1 < bytes.count, bytes[at + 1] != UInt8(ascii: "|") else { return false }
        return startsWith(bytes, at + 1, "getline", skippingBlanks: true)
            || startsWith(bytes, at + 1, "&", skippingBlanks: false)
    }

    private static func startsWith(_ bytes: [UInt8], _ at: Int, _ word: String, skippingBlanks: Bool) -> Bool {
        var at = at
        while skippingBlanks, at < bytes.count, bytes[at] == UInt8(ascii: " ") { at += 1 }
        return at < bytes.count && bytes[at...].starts(with: word.utf8)
    }
}
