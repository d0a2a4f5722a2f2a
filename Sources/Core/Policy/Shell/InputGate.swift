// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

/// V0: which characters a command text may hold at all.
enum InputGate {
    /// The longest text, in bytes.
    static let maximumBytes = 16_384

    /// The first reason to refuse the text before it is read.
    static func finding(_ text: String) -> ShellFinding? {
        guard text.utf8.count <= maximumBytes else {
            return ShellFinding("V0", "the command is over \(maximumBytes) bytes; send a script on stdin", at: nil)
        }
        if text.utf8.allSatisfy({ $0 == 0x20 || $0 == 0x09 || $0 == 0x0A }) {
            return ShellFinding("V0", "the command is empty", at: nil)
        }
        return characters(text)
    }

    /// The first character that may not be there.
    static func characters(_ text: String) -> ShellFinding? {
        var position = 0
        for scalar in text.unicodeScalars {
            if let what = forbidden(scalar) {
                let code = String(scalar.value, radix: 16, uppercase: true)
                let padded = String(repeating: "0", count: max(0, 4 - code.count)) + code
                return ShellFinding("V0", "the command holds \(what), U+\(padded)", at: position)
            }
            position += UTF8.width(scalar)
        }
        return nil
    }

    private static func forbidden(_ scalar: Unicode.Scalar) -> String? {
        switch scalar.value {
        case 0x09, 0x0A: nil
        case 0x00..<0x20, 0x7F...0x9F: "a control character"
        case 0x2028, 0x2029: "a line separator that no shell knows"
        case 0x202A...0x202E, 0x2066...0x2069, 0x200E, 0x200F, 0x061C: "a character that changes the order of reading"
        case 0x200B...0x200D, 0x2060...0x2064, 0xFEFF, 0x180E: "an invisible character"
        default: nil
        }
    }

    /// Whether a sequence of bytes at an index is white space that looks like a blank but is none.
    static func isForeignBlank(_ bytes: [UInt8], at index: Int) -> Bool {
        guard index + 1 < bytes.count else { return false }
        if bytes[index] == 0xC2 { return bytes[index + 1] == 0xA0 }
        guard index + 2 < bytes.count else { return false }
        switch (bytes[index], bytes[index + 1], bytes[index + 2]) {
        case (0xE1, 0x9A, 0x80), (0xE2, 0x80, 0x80...0x8A), (0xE2, 0x80, 0xAF), (0xE2, 0x81, 0x9F), (0xE3, 0x80, 0x80):
            return true
        default: return false
        }
    }
}

/// One reason to refuse a command.
struct ShellFinding: Sendable, Hashable {
    /// The rule of the policy.
    var rule: String
    /// What was found, in one sentence.
    var message: String
    /// Where in the judged text, in bytes.
    var position: Int?

    init(_ rule: String, _ message: String, at position: Int?) {
        self.rule = rule
        self.message = message
        self.position = position
    }
}
