// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

/// What a server, or the library on its behalf, says of something that failed.
struct MySQLFailure: Error, Sendable, Equatable {
    /// The number, such as 1146; those from 2000 to 2999 are the library's own.
    var code: UInt32
    /// SQLSTATE, five characters.
    var state: String
    /// What it says.
    var message: String

    /// As the command-line client writes it.
    var text: String { "ERROR \(code) (\(state)): \(message)" }

    /// Whether there is no connection any more.
    var isLost: Bool { (2000...2999).contains(code) }

    /// A failure of our own making.
    static func own(_ message: String) -> MySQLFailure { MySQLFailure(code: 2000, state: "HY000", message: message) }
}
