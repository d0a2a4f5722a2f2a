// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

extension AuditChainReport {
    /// The report for people: a line for the chain and one for each finding, made safe for a terminal.
    public var text: String {
        if let error { return Sanitizer.line("\(chain): not verified: \(error.message)") }
        var lines = ["\(chain): \(summary)"]
        lines += findings.map { "\(chain): \($0.kind.rawValue): \($0.message)" }
        return lines.map(Sanitizer.line).joined(separator: "\n")
    }

    /// What the chain's line says.
    public var summary: String {
        let counts = "\(Self.count(records, "record")), \(Self.count(Int64(checkpoints), "checkpoint"))"
        return findings.isEmpty ? "whole, \(counts)" : "\(Self.count(Int64(findings.count), "finding")), \(counts)"
    }

    private static func count(_ number: Int64, _ noun: String) -> String {
        "\(number) \(noun)\(number == 1 ? "" : "s")"
    }
}
