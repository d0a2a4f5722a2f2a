// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import NIOCore

/// What is looked for in the output of a task that was given secrets: each of them as it is, in base64 and URL-encoded.
struct Redaction: Sendable {
    /// As they are.
    let plain: PatternAutomaton
    /// In base64, both alphabets, wherever in an encoded text they begin. Line breaks between are passed over.
    let base64: PatternAutomaton
    /// As they are, once percent signs are decoded; a blank may be a plus.
    let decoded: PatternAutomaton

    /// What stands in the output instead.
    static let mark = "[redacted]"

    /// Nil when there is nothing that can be hidden.
    init?(_ secrets: [Secret]) {
        var plain: [[UInt8]] = []
        for bytes in secrets.map({ $0.reveal() }) where bytes.count >= SecretVault.shortestHidden {
            plain.append(bytes)
            // A key of many lines is often shown line by line.
            let lines = bytes.split { $0 == UInt8(ascii: "\n") || $0 == UInt8(ascii: "\r") }
            if lines.count > 1 { plain += lines.filter { $0.count >= Self.shortestLine }.map { Array($0) } }
        }
        guard !plain.isEmpty else { return nil }
        self.plain = PatternAutomaton(plain)
        base64 = PatternAutomaton(plain.flatMap(Self.base64Forms))
        let blank = UInt8(ascii: " ")
        decoded = PatternAutomaton(
            plain + plain.filter { $0.contains(blank) }.map { $0.map { $0 == blank ? UInt8(ascii: "+") : $0 } })
    }

    /// Single lines of a secret shorter than this are not secret by themselves.
    private static let shortestLine = 16

    /// The characters that a secret surely has in base64, for each of the three ways it can lie over groups of three bytes,
    /// in both alphabets.
    static func base64Forms(_ secret: [UInt8]) -> [[UInt8]] {
        (0..<3).flatMap { before -> [[UInt8]] in
            let text = Array(Base64.encode([UInt8](repeating: 0, count: before) + secret).utf8)
            let certain = 8 * (before + secret.count) / 6
            let form = Array(text[[0, 2, 3][before]..<certain])
            let safe = form.map { byte -> UInt8 in
                switch byte {
                case UInt8(ascii: "+"): UInt8(ascii: "-")
                case UInt8(ascii: "/"): UInt8(ascii: "_")
                default: byte
                }
            }
            return safe == form ? [form] : [form, safe]
        }
    }

    /// A whole text without the secrets.
    func redact(_ text: String) -> String {
        var redactor = OutputRedactor(self)
        var result = redactor.take(ByteBuffer(string: text))
        result.writeImmutableBuffer(redactor.drain())
        return String(buffer: result)
    }
}
