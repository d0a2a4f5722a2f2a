// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

/// Something a rule refuses, and where.
struct StatementFinding: Sendable, Hashable {
    var rule: String
    var position: Int
    var message: String
}

/// What reading a text gave: its statements in canonical form, and what the rules have to say.
struct StatementReport: Sendable {
    var statements: [String] = []
    var findings: [StatementFinding] = []

    mutating func add(_ rule: String, _ position: Int, _ message: String) {
        findings.append(StatementFinding(rule: rule, position: position, message: message))
    }

    /// A text that could not be read.
    static func unreadable(_ rule: String, _ position: Int, _ message: String) -> StatementReport {
        StatementReport(findings: [StatementFinding(rule: rule, position: position, message: message)])
    }
}

/// Judges statements of databases, search engines and clusters: parsed, not searched for words.
///
/// It is a guard rail against mistakes, not a boundary: what an account must not do, it should have no right to.
public enum StatementGuard {
    /// The largest text, in bytes.
    public static let maximumBytes = 262_144

    /// What the guard says about a text.
    ///
    /// - Parameters:
    ///   - text: One or more statements.
    ///   - type: What they are written in.
    ///   - database: The database that the task names beside the text; `mongo` alone needs it.
    ///   - lifted: Ids of rules that do not count.
    ///   - allow: In `whitelist` mode, what each canonical statement must match one of.
    ///   - deny: What no canonical statement may match.
    ///   - mode: The mode to judge in.
    public static func judge(
        _ text: String, type: StatementLanguage, database: String? = nil, lifted: Set<String> = [],
        allow: [GuardExpression] = [], deny: [GuardExpression] = [], mode: GuardMode
    ) -> GuardVerdict {
        let report = read(Array(text.utf8), type, database: database)
        func denied(_ rule: String, _ message: String, _ position: Int? = nil) -> GuardVerdict {
            GuardVerdict(
                .deny, rule: rule, message: message, position: position, commands: report.statements, mode: mode)
        }
        let counting = report.findings.filter { finding in
            !lifted.contains(finding.rule) || StatementRule.named(finding.rule)?.liftable == false
        }
        if let first = counting.min(by: { $0.position < $1.position }) {
            return denied(first.rule, first.message, first.position)
        }
        for statement in report.statements {
            if let index = deny.firstIndex(where: { $0.matchesWhole(statement) }) {
                return denied("deny[\(index)]", "matches deny[\(index)] '\(deny[index].pattern)'")
            }
        }
        if mode == .whitelist {
            for statement in report.statements where !allow.contains(where: { $0.matchesWhole(statement) }) {
                return denied("whitelist", "no expression of allow matches: \(statement.prefix(200))")
            }
        }
        return GuardVerdict(
            .allow, rule: "none", message: "nothing objects", commands: report.statements, mode: mode)
    }

    /// The canonical statements of a text: without comments, one blank where there were any outside quotes.
    public static func statements(_ text: String, type: StatementLanguage) -> [String] {
        read(Array(text.utf8), type).statements
    }

    static func read(_ bytes: [UInt8], _ type: StatementLanguage, database: String? = nil) -> StatementReport {
        let syntax = "\(type.family).syntax"
        guard bytes.count <= maximumBytes else {
            return .unreadable(syntax, maximumBytes, "the text is over \(maximumBytes) bytes; send it in parts")
        }
        var report =
            switch type {
            case .mysql: SQLGuard.read(bytes, .mysql)
            case .postgres: SQLGuard.read(bytes, .postgres)
            case .clickhouse: SQLGuard.read(bytes, .clickhouse)
            case .mongo: MongoGuard.read(bytes, database: database)
            case .elasticsearch: ElasticsearchGuard.read(bytes)
            case .k8s: KubernetesGuard.read(bytes)
            }
        if report.statements.isEmpty, report.findings.isEmpty { report.add(syntax, 0, "there is no statement") }
        return report
    }
}
