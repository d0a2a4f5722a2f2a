// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// One secret in memory. Printing, dumping or describing it shows its name only; ``reveal()`` is the one way to its bytes.
struct Secret: Sendable, CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// What tasks call it.
    let reference: SecretReference
    private let bytes: [UInt8]

    /// A secret of these bytes.
    init(_ reference: SecretReference, bytes: [UInt8]) {
        self.reference = reference
        self.bytes = bytes
    }

    /// The bytes, to be handed to a program or compared with its output.
    func reveal() -> [UInt8] { bytes }

    /// The name alone.
    var description: String { "[secret \(reference.name)]" }
    /// The name alone.
    var debugDescription: String { description }
    /// No members.
    var customMirror: Mirror { Mirror(self, children: []) }
}

/// The secrets of one task, and what hides them in its output.
struct TaskSecrets: Sendable {
    private let secrets: [SecretReference: Secret]
    /// Nil when there is nothing to hide.
    let redaction: Redaction?

    /// - Parameter secrets: All that the task names.
    init(_ secrets: [Secret] = []) {
        self.secrets = Dictionary(secrets.map { ($0.reference, $0) }) { first, _ in first }
        redaction = Redaction(secrets)
    }

    /// One of them; throws `internal` when it was not resolved.
    func secret(_ reference: SecretReference) throws(DeployError) -> Secret {
        guard let secret = secrets[reference] else {
            throw DeployError(.internal, "secret '\(reference.name)' was not resolved")
        }
        return secret
    }

    /// One of them as a variable's value; throws `start_failed` when it is no text.
    func text(_ reference: SecretReference) throws(DeployError) -> String {
        let bytes = try secret(reference).reveal()
        guard !bytes.contains(0), let text = String(validating: bytes, as: UTF8.self) else {
            throw DeployError(
                .startFailed, "secret '\(reference.name)' is not a text, so it cannot be a variable",
                hint: "give it on standard input")
        }
        return text
    }

    /// A text of our own, such as an error, without any of the secrets.
    func redact(_ text: String) -> String { redaction.map { $0.redact(text) } ?? text }
}
