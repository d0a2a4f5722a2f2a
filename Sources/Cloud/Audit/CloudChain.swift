// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// Verifies the Cloud's own chain as it is in the database.
enum CloudChain {
    private static let page = 2000

    /// Reads every row; what is stored beside a record must agree with it.
    ///
    /// - Parameters:
    ///   - store: The database.
    ///   - held: Checkpoints that agents keep.
    ///   - key: The public key in use, if it can be read.
    static func verify(_ store: Store, held: [AuditVerifier.Held], key: String? = nil) async throws -> AuditChainReport
    {
        // Checkpoints first: whatever they cover is there when the rows are read.
        let own = try await store.read { try AuditTable.checkpoints(of: AuditTable.ownChain, limit: .max, $0) }
        let evidence = AuditVerifier.Evidence(own: own, held: held, key: key)
        var verifier = AuditVerifier(chain: AuditTable.ownChain, evidence: evidence)
        var last = Int64.min
        while true {
            let after = last
            let rows = try await store.read { try AuditTable.page(after: after, limit: page, $0) }
            for row in rows {
                last = row.integer(0)
                guard let line = AuditLine(row.text(8)) else {
                    verifier.take(nil)
                    continue
                }
                verifier.take(line, difference: difference(row, line), key: last)
            }
            if rows.count < page { break }
        }
        return verifier.finish()
    }

    /// The first column that does not say what the record says; nil when all do.
    private static func difference(_ row: SQLRow, _ line: AuditLine) -> String? {
        let columns = ["action", "actor", "agent", "env", "task", "verdict"]
        for (index, name) in columns.enumerated() where row.optionalText(index + 2) != line.text(name) { return name }
        if row.text(9) != line.hash { return "hash" }
        return line.text("ts").flatMap { Timestamp($0)?.milliseconds } == row.integer(1) ? nil : "ts"
    }
}
