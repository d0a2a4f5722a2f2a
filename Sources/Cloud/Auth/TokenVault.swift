// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Crypto

/// Who is at the other end, as the verified credential says, never as the message says.
enum Identity: Sendable, Equatable {
    /// A person or script, by name.
    case `operator`(Principal)
    /// One agent.
    case agent(AgentID, token: TokenID)
}

/// Makes, checks and revokes bearer tokens. The database holds only salted hashes.
///
/// A token reads `tg_KIND_ID_SECRET`; the secret is 256 random bits, so one round of SHA-256 is enough.
struct TokenVault: Sendable {
    let store: Store

    /// Makes a token for an operator; the text is shown once and never stored.
    func createOperator(name: String, expiresAt: Timestamp?) async throws -> String {
        try Self.check(name: name)
        let (text, record) = Self.make(kind: .operator, name: name, agentID: nil, expiresAt: expiresAt)
        try await store.write { try TokenTable.insert(record, $0) }
        return text
    }

    /// Makes an agent, unless one of that name exists, and a token bound to it.
    func createAgent(
        name: String, labels: [String: String], environment: String, expiresAt: Timestamp?
    ) async throws -> String {
        try Self.check(name: name)
        return try await store.write { transaction in
            let existing = try AgentTable.find(nameOrID: name, transaction)
            var agent = existing ?? AgentInfo(id: .random(), name: name, createdAt: .now())
            if existing == nil {
                agent.labels = labels
                agent.environment = environment
                try AgentTable.insert(agent, transaction)
            }
            let (text, record) = Self.make(kind: .agent, name: name, agentID: agent.id, expiresAt: expiresAt)
            try TokenTable.insert(record, transaction)
            return text
        }
    }

    /// The identity behind a token; throws `unauthenticated` for anything unknown, expired or revoked, and
    /// `forbidden` when it is of another kind than the endpoint takes.
    func verify(_ text: String, kind: TokenKind) async throws -> Identity {
        let refusal = DeployError(.unauthenticated, "the token is not valid")
        let parts = text.split(separator: "_", maxSplits: 3, omittingEmptySubsequences: false)
        guard text.utf8.count <= 256, parts.count == 4, parts[0] == "tg", let id = TokenID(String(parts[2])) else {
            throw refusal
        }
        guard let record = try await store.read({ try TokenTable.find(id: id, $0) }) else { throw refusal }
        let hash = Self.hash(salt: record.salt, secret: String(parts[3]))
        guard Self.equal(hash, record.hash), record.revokedAt == nil else { throw refusal }
        if let expiry = record.expiresAt, expiry <= .now() {
            throw DeployError(.unauthenticated, "the token has expired", hint: "ask for a new one")
        }
        guard record.kind == kind else {
            throw DeployError(.forbidden, "this is a token for \(record.kind == .agent ? "an agent" : "an operator")")
        }
        store.submit {
            try TokenTable.touch(id, $0)
        } finish: { _ in
        }  // for people; nothing waits for it
        switch (record.kind, record.agentID) {
        case (.operator, _):
            return .operator(Principal(name: record.name, token: id, role: .admin, scope: Scope(), source: ""))
        case (.agent, let agentID?): return .agent(agentID, token: id)
        case (.agent, nil): throw refusal
        }
    }

    private static func make(
        kind: TokenKind, name: String, agentID: AgentID?, expiresAt: Timestamp?
    ) -> (text: String, record: TokenRecord) {
        let id = TokenID.random()
        let salt = random(16)
        let secret = random(32)
        let record = TokenRecord(
            id: id, kind: kind, name: name, agentID: agentID, salt: salt, hash: hash(salt: salt, secret: secret),
            createdAt: .now(), expiresAt: expiresAt)
        return ("tg_\(kind.rawValue)_\(id)_\(secret)", record)
    }

    private static func check(name: String) throws(DeployError) {
        guard (1...128).contains(name.utf8.count), name.first != "-",
            name.utf8.allSatisfy({ (33...126).contains($0) && $0 != UInt8(ascii: ",") && $0 != UInt8(ascii: "=") })
        else {
            throw DeployError(
                .invalidArgument, "name '\(name.prefix(64))' is not 1 to 128 printable characters without , and =")
        }
    }

    private static func random(_ count: Int) -> String {
        var generator = SystemRandomNumberGenerator()
        return hex((0..<count).map { _ in UInt8.random(in: 0...255, using: &generator) })
    }

    private static func hash(salt: String, secret: String) -> String {
        hex(Array(SHA256.hash(data: Array("\(salt):\(secret)".utf8))))
    }

    private static func hex(_ bytes: [UInt8]) -> String {
        let digits = Array("0123456789abcdef".utf8)
        return String(decoding: bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
    }

    /// Compares in a time that does not depend on where they differ.
    private static func equal(_ left: String, _ right: String) -> Bool {
        let left = Array(left.utf8)
        let right = Array(right.utf8)
        guard left.count == right.count else { return false }
        return zip(left, right).reduce(0) { $0 | ($1.0 ^ $1.1) } == 0
    }
}
