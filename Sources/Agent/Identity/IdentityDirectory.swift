// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Glibc

/// What the agent got when it enrolled: `agent.token`, `agent.key` and `agent.pem`, each mode 0600.
///
/// A new key and certificate are written as `next.key` and `next.pem` first. The second one there means that both count,
/// so a power cut between the renames that follow leaves no key without its certificate.
struct IdentityDirectory: Sendable {
    private let path: String

    /// - Parameter dataDirectory: Where the agent keeps its state.
    init(dataDirectory: String) { path = dataDirectory + "/identity" }

    private func file(_ name: String) -> String { path + "/" + name }

    /// Whether the agent has enrolled.
    var isEnrolled: Bool { access(file("agent.token"), F_OK) == 0 }

    /// Whether it has a key of its own, and so should have a certificate for it.
    var hasKey: Bool { access(file("agent.key"), F_OK) == 0 }

    /// The agent's token; throws `not_found`, or `forbidden` when others can read it.
    func token() throws(DeployError) -> String { try PrivateFile.read(file("agent.token")) }

    /// What to show in the TLS handshake: nil when there is nothing, or nothing that is valid now.
    ///
    /// Throws `forbidden` when others can read the key, and `invalid_argument` when key and certificate do not belong
    /// together.
    func clientIdentity() throws(DeployError) -> ClientIdentity? {
        finishReplacement()
        guard hasKey, access(file("agent.pem"), F_OK) == 0 else { return nil }
        let text = try PrivateFile.read(file("agent.pem"))
        guard let certificate = ClientCertificate(pem: text), certificate.notAfter > .now() else { return nil }
        return try ClientIdentity(certificate: text, key: ClientKey(pem: PrivateFile.read(file("agent.key"))))
    }

    /// The certificate it holds, valid or not; nil when there is none.
    func certificate() -> ClientCertificate? {
        finishReplacement()
        guard let text = try? PrivateFile.read(file("agent.pem")) else { return nil }
        return ClientCertificate(pem: text)
    }

    /// Keeps what enrolling brought; the token last, since it says that all is there.
    func keep(_ enrolled: AgentEnrolled, key: ClientKey) throws(DeployError) {
        try StateDirectory.create(path)
        if let certificate = enrolled.certificate {
            guard key.matches(certificate) else {
                throw DeployError(.protocolError, "the Cloud sent a certificate for another key")
            }
            try PrivateFile.write(certificate, to: file("agent.pem"))
        }
        try PrivateFile.write(key.pem, to: file("agent.key"))
        try PrivateFile.write(enrolled.token + "\n", to: file("agent.token"))
        StateDirectory.synchronize(path)
    }

    /// Puts a new key and certificate in place of the old ones, whole or not at all.
    func replace(key: ClientKey, certificate: String) throws(DeployError) {
        guard key.matches(certificate), ClientCertificate(pem: certificate) != nil else {
            throw DeployError(.protocolError, "the Cloud sent a certificate for another key")
        }
        try PrivateFile.write(key.pem, to: file("next.key"))
        try PrivateFile.write(certificate, to: file("next.pem"))
        StateDirectory.synchronize(path)
        finishReplacement()
    }

    private func finishReplacement() {
        guard access(file("next.pem"), F_OK) == 0 else { return }
        rename(file("next.key"), file("agent.key"))
        rename(file("next.pem"), file("agent.pem"))
        StateDirectory.synchronize(path)
    }
}

/// What a link is opened with, read anew for each: a token and, if there is one, a client certificate.
struct LinkCredentials: Sendable {
    /// A token that was given to the agent; nil for the one it got when it enrolled.
    let tokenFile: String?
    /// What it got when it enrolled.
    let identity: IdentityDirectory

    /// Whether there is no token, and enrolling could bring one.
    var needEnrolment: Bool { tokenFile == nil && !identity.isEnrolled }

    /// Throws `not_found` when there is no token yet, and `forbidden` when others can read a file.
    func load() throws(DeployError) -> (token: String, identity: ClientIdentity?) {
        let token: String
        if let tokenFile { token = try PrivateFile.read(tokenFile) } else { token = try identity.token() }
        return (token, try identity.clientIdentity())
    }
}
