// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Glibc

/// The files of the agent's audit in one directory: the chain in `audit.jsonl` and older parts, its key and checkpoints,
/// and what the Cloud has told of its own.
struct AuditStore: Sendable {
    /// The directory.
    let directory: String

    /// The part that is written to.
    var current: String { directory + "/audit.jsonl" }
    /// The key that signs checkpoints.
    var key: String { directory + "/key" }
    /// Own checkpoints, one JSON text a line, oldest first.
    var checkpoints: String { directory + "/checkpoints.jsonl" }
    /// Checkpoints of the Cloud, likewise.
    var cloudCheckpoints: String { directory + "/cloud.jsonl" }

    /// Where a part goes that is full, by its first record.
    func archive(firstSeq: Int64) -> String {
        let digits = String(firstSeq)
        return directory + "/audit." + String(repeating: "0", count: max(0, 12 - digits.count)) + digits + ".jsonl"
    }

    /// The older parts, oldest first.
    var archives: [String] {
        StateDirectory.names(in: directory)
            .filter { $0.hasPrefix("audit.") && $0.hasSuffix(".jsonl") && $0 != "audit.jsonl" }
            .sorted().map { directory + "/" + $0 }
    }

    /// Checkpoints of a file, oldest first; what is none is passed over.
    static func read(checkpoints path: String) -> [AuditCheckpoint] {
        var found: [AuditCheckpoint] = []
        try? AuditFile.lines(path) { line in if let point = AuditCheckpoint(line: line) { found.append(point) } }
        return found
    }

    /// Verifies the whole chain as it is on the disk.
    ///
    /// - Parameters:
    ///   - chain: What the report calls it.
    ///   - held: Checkpoints of this agent that others keep.
    ///   - limit: How many bytes of the newest part to read; nil for all.
    /// - Throws: What the disk says; a chain that was never begun is whole.
    func verify(
        chain: String, held: [AuditVerifier.Held], limit: Int64? = nil
    ) throws(DeployError) -> AuditChainReport {
        var evidence = AuditVerifier.Evidence(held: held)
        evidence.own = Self.read(checkpoints: checkpoints)
        evidence.key = try AuditSigner.publicKey(path: key)
        var verifier = AuditVerifier(chain: chain, evidence: evidence)
        for path in archives { try AuditFile.lines(path) { verifier.take(AuditLine($0)) } }
        do throws(DeployError) {
            try AuditFile.lines(current, limit: limit) { verifier.take(AuditLine($0)) }
        } catch {
            if error.code != .notFound { throw error }
        }
        return verifier.finish()
    }
}

extension AuditCheckpoint {
    /// Reads one from a line; nil when it is none.
    init?(line: ArraySlice<UInt8>) {
        guard let point = CheckpointText.read(line) else { return nil }
        self = point
    }
}
