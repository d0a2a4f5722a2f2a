// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

/// Whose SQL it is.
enum SQLDialect: Sendable {
    case mysql
    case postgres
    case clickhouse
}

/// One token of a statement; comments and blanks are none.
public struct SQLToken: Sendable, Hashable {
    /// What a token is.
    public enum Kind: Sendable, Hashable {
        /// A keyword or plain name, in capitals.
        case word
        /// A quoted name, without its quotes.
        case quoted
        /// A string, without its quotes and escapes.
        case string
        /// Digits.
        case number
        /// An operator, a bracket, or another sign.
        case symbol
    }

    /// What it is.
    public internal(set) var kind: Kind
    /// What it says.
    public internal(set) var text: String
    /// Where it is in the text, in bytes.
    public internal(set) var range: Range<Int>
    /// Whether a blank or a comment is before it.
    var spaced: Bool
}

/// Why a text is no sequence of tokens.
struct SQLLexicalError: Error {
    var rule = "sql.syntax"
    var position: Int
    var message: String
}
