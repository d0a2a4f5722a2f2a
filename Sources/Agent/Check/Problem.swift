// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// One thing that is wrong, and where.
struct Problem: Sendable, Equatable, CustomStringConvertible {
    /// The file as it was named.
    var file: String
    /// The line in it, if one is known.
    var line: Int?
    /// What is wrong and what to try.
    var text: String

    /// `FILE:LINE: TEXT`.
    var description: String { "\(file)\(line.map { ":\($0)" } ?? ""): \(text)" }
}

extension Problem {
    /// An error about a file; its own mention of the file, and of a policy's line, become the problem's place.
    init(_ error: DeployError, in file: String, line: Int? = nil) {
        self.init(file: file, line: line, text: error.sentence)
        if text.hasPrefix(file + ": ") { text.removeFirst(file.count + 2) }
        let mark = "policy, line "
        if text.hasPrefix(mark) {
            let digits = text.dropFirst(mark.count).prefix { $0.isASCII && $0.isNumber }
            if let number = Int(digits) {
                self.line = number
                text.removeFirst(mark.count + digits.count)
                text = String(text.drop { $0 == ":" || $0 == " " })
            }
        }
    }
}
