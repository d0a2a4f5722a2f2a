// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// Words as a POSIX shell quotes them: for command lines that are shown, and for fields of a form that hold several.
enum ShellWords {
    /// A word as the shell reads it back unchanged.
    static func quoted(_ word: String) -> String {
        let isPlain = word.utf8.allSatisfy {
            (48...57).contains($0) || (65...90).contains($0) || (97...122).contains($0)
                || "-_./=:,@%+".utf8.contains($0)
        }
        if isPlain, !word.isEmpty { return word }
        return "'" + word.replacing("'", with: "'\\''") + "'"
    }

    /// An argument vector as a shell would have to be told it.
    static func display(_ arguments: [String]) -> String { arguments.map(quoted).joined(separator: " ") }

    /// The words of a text: blanks separate, quotes and a backslash keep together; no variable, no pattern means anything.
    /// Throws `invalid_argument` for an open quote.
    static func split(_ text: String) throws(DeployError) -> [String] {
        var words: [String] = []
        var word: String?
        var quote: Character?
        var isEscaped = false
        for character in text {
            if isEscaped {
                if quote == "\"", character != "\"", character != "\\" { word?.append("\\") }
                word = (word ?? "") + String(character)
                isEscaped = false
            } else if character == "\\", quote != "'" {
                word = word ?? ""
                isEscaped = true
            } else if let open = quote {
                if character == open { quote = nil } else { word?.append(character) }
            } else if character == "'" || character == "\"" {
                quote = character
                word = word ?? ""
            } else if character.isWhitespace {
                if let done = word { words.append(done) }
                word = nil
            } else {
                word = (word ?? "") + String(character)
            }
        }
        if quote != nil { throw DeployError(.invalidArgument, "a quote is not closed") }
        if isEscaped { throw DeployError(.invalidArgument, "nothing stands behind the last backslash") }
        return words + (word.map { [$0] } ?? [])
    }
}
