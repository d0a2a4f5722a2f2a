// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// The Cloud's audit. A record is written in the transaction of the act it tells of: the act happens with its record or
/// not at all.
enum AuditTrail {
    /// Appends a record to the chain.
    ///
    /// Throws `unavailable` when it cannot be written; the transaction must then fail with it.
    static func append(_ record: AuditRecord, _ transaction: any SQLTransaction) throws {
        try append([record], transaction)
    }

    /// Appends records to the chain, in this order; throws as for one.
    static func append(_ records: [AuditRecord], _ transaction: any SQLTransaction) throws {
        guard !records.isEmpty else { return }
        do {
            var head = try AuditTable.head(transaction)
            for record in records {
                let linked = AuditChain.link(record, after: head)
                try AuditTable.insert(linked, transaction)
                head = AuditChain.Head(seq: linked.seq, hash: linked.hash)
            }
        } catch {
            throw unwritable(error)
        }
    }

    /// Appends a record in a transaction of its own, for what changes nothing else, such as a refusal.
    static func append(_ record: AuditRecord, to store: Store) async throws {
        do {
            try await store.write { try append(record, $0) }
        } catch {
            throw unwritable(error)
        }
    }

    /// What every act is refused with when its record cannot be written.
    static func unwritable(_ error: any Error) -> DeployError {
        if let error = error as? DeployError, isUnwritable(error) { return error }
        let cause = DeployError(wrapping: error)
        return DeployError(
            .unavailable, "\(message): \(cause.message)",
            hint: cause.hint ?? "nothing is done without its record; mend the server's database, then try again")
    }

    /// Whether an error says that the audit cannot be written.
    static func isUnwritable(_ error: DeployError) -> Bool {
        error.code == .unavailable && error.message.hasPrefix(message)
    }

    private static let message = "the audit cannot be written"
}

extension CloseReason {
    /// What this link is about cannot be recorded now.
    static let unrecorded = CloseReason(code: 1013, reason: "the audit cannot be written")
}

extension AuditRecord {
    /// The record of an act of an operator.
    init(_ action: Action, as principal: Principal) {
        self.init(action.rawValue, as: principal)
    }

    /// The record of what an operator did, for what is finer than an ``Action``.
    init(_ action: String, as principal: Principal) {
        self.init(action: action, actor: principal.name)
        source = principal.source.isEmpty ? nil : principal.source
        verdict = GuardVerdict.Decision.allow.rawValue
        result = "ok"
    }

    /// The record of what somebody did on the server itself, with the programs there.
    init(local action: String) {
        self.init(action: action, actor: "local \(LocalAccount.name)")
        result = "ok"
    }

    /// The same with more detail.
    func with(_ detail: [String: JSONValue]) -> AuditRecord {
        var record = self
        record.detail = (record.detail ?? [:]).merging(detail) { $1 }
        return record
    }

    /// The same as refused with an error.
    func refused(_ error: DeployError) -> AuditRecord {
        var record = with(["reason": .string(String(error.message.prefix(1024)))])
        record.verdict = GuardVerdict.Decision.deny.rawValue
        record.result = error.code.rawValue
        return record
    }
}
