// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

/// Parameters of `audit_list` (newest first) and `audit_export` (oldest first).
public struct AuditQuery: Sendable, Hashable, Codable {
    /// Only what this operator or agent did.
    public var actor: String?
    /// Only this action, such as `task.start`, or those of this kind, such as `task`.
    public var action: String?
    /// Only this agent, by name.
    public var agent: String?
    /// Only this task.
    public var task: String?
    /// Only refusals (`deny`) or what was let through (`allow`).
    public var verdict: String?
    /// Not before.
    public var since: Timestamp?
    /// Not after.
    public var until: Timestamp?
    /// Where to go on: `next` of the page before.
    public var cursor: String?
    /// Items wanted, 1 to 200; nil for 50.
    public var limit: Int?

    /// A query; set what is wanted.
    public init() {}
}

/// Parameters of `audit_verify`.
public struct AuditVerify: Sendable, Hashable, Codable {
    /// The agents whose own audit is verified too, by name; nil for all that are online.
    public var agents: [String]?

    /// A request.
    public init(agents: [String]? = nil) { self.agents = agents }
}

/// The answer to `audit_verify`: one report per chain, the Cloud's first.
public struct AuditVerification: Sendable, Hashable, Codable {
    /// The reports.
    public var chains: [AuditChainReport]

    /// An answer.
    public init(chains: [AuditChainReport]) { self.chains = chains }
}

/// What verifying one chain found.
public struct AuditChainReport: Sendable, Hashable, Codable {
    /// `cloud`, or an agent's name.
    public var chain: String
    /// Records read.
    public var records: Int64
    /// The last record's seq and hash; nil when there is none.
    public var head: String?
    /// Checkpoints whose signature was checked, here and on the other side.
    public var checkpoints: Int
    /// Each finding names the record and what is wrong; empty when the chain is whole.
    public var findings: [AuditFinding]
    /// Why the chain could not be verified, such as an agent that does not answer.
    public var error: DeployError?

    /// A report.
    public init(
        chain: String, records: Int64, head: String?, checkpoints: Int, findings: [AuditFinding],
        error: DeployError? = nil
    ) {
        self.chain = chain
        self.records = records
        self.head = head
        self.checkpoints = checkpoints
        self.findings = findings
        self.error = error
    }

    /// Whether the chain was read and nothing is wrong with it.
    public var isWhole: Bool { findings.isEmpty && error == nil }
}

/// One thing that is wrong with a chain.
public struct AuditFinding: Sendable, Hashable, Codable {
    /// The kinds of tampering that can be told apart.
    public enum Kind: String, Sendable, Hashable, Codable {
        /// The record's content does not match its hash.
        case changed
        /// Records are missing between two others.
        case deleted
        /// Records are not in the order of their seq.
        case reordered
        /// Records after this one existed, as a checkpoint or the other side proves, and are gone.
        case truncated
        /// A line or row that is no record.
        case unreadable
        /// A checkpoint whose signature or key is wrong, or that names another hash for its record.
        case checkpoint
    }

    /// What happened.
    public var kind: Kind
    /// The record concerned; of several in a row, the first.
    public var seq: Int64
    /// The last record concerned, when there are several in a row.
    public var through: Int64?
    /// One sentence for people.
    public var message: String

    /// A finding.
    public init(_ kind: Kind, seq: Int64, through: Int64? = nil, _ message: String) {
        self.kind = kind
        self.seq = seq
        self.through = through
        self.message = message
    }
}

/// `audit_query` to an agent: verify your chain, and tell the hashes of these records.
public struct AuditInquiry: Sendable, Hashable, Codable {
    /// Which inquiry; the report repeats it.
    public var inquiry: String
    /// Checkpoints of the agent that the Cloud holds.
    public var held: [AuditCheckpoint]

    /// An inquiry.
    public init(inquiry: String, held: [AuditCheckpoint]) {
        self.inquiry = inquiry
        self.held = held
    }
}

/// `audit_report` of an agent: what verifying its own chain found, and the checkpoints of the Cloud it holds.
public struct AuditReport: Sendable, Hashable, Codable {
    /// Which inquiry it answers.
    public var inquiry: String
    /// What was found.
    public var report: AuditChainReport
    /// The Cloud's checkpoints this agent holds, newest last.
    public var held: [AuditCheckpoint]

    /// A report.
    public init(inquiry: String, report: AuditChainReport, held: [AuditCheckpoint]) {
        self.inquiry = inquiry
        self.report = report
        self.held = held
    }
}
