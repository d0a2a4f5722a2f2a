// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

/// Why something did not work, as the server or libpq says it.
struct PostgresFailure: Error, Sendable, Hashable {
    /// Where it went wrong.
    enum Kind: Sendable, Hashable {
        /// No connection to the host.
        case unreachable
        /// No TLS as it is asked for.
        case untrusted
        /// The server did not let us in.
        case refused
        /// Not connected within the time.
        case timedOut
        /// The server answered with an error; the connection goes on.
        case server
        /// The connection is gone.
        case lost
        /// We were told to stop; the connection is of no more use.
        case stopped
    }

    /// Where it went wrong.
    var kind: Kind
    /// One sentence.
    var message: String
    /// Five characters that name the error, for those of the server.
    var sqlState: String?
    /// Whether the server ended the session with it.
    var isFatal = false
    /// More about it.
    var detail: String?
    /// What the server proposes.
    var hint: String?
    /// The character of the statement that it is about, counted from 1.
    var position: Int?
    /// Where in functions it happened.
    var context: String?

    /// A failure without more than a sentence.
    init(_ kind: Kind, _ message: String) {
        self.kind = kind
        self.message = message
    }
}

/// What a server tells beside its results.
struct PostgresNotice: Sendable, Hashable {
    /// NOTICE, WARNING and their like, perhaps in the server's language.
    var severity: String
    /// Whether it is a warning, in any language.
    var isWarning: Bool
    /// One sentence.
    var message: String
    /// More about it.
    var detail: String?
    /// What the server proposes.
    var hint: String?

    /// All of it, in lines.
    var text: String {
        var text = "\(severity): \(message)\n"
        if let detail { text += "DETAIL: \(detail)\n" }
        if let hint { text += "HINT: \(hint)\n" }
        return text
    }
}
