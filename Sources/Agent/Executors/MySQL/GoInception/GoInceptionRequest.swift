// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// What is sent to goInception: one text with its options, the statements, and the words that begin and end it.
///
/// goInception cuts the options at semicolons without looking at quotes, removes the word `remote` wherever it is, and reads
/// what is left as YAML; values that this would change are refused. It cuts statements at ends of lines, so that each is sent
/// on one line of its own, without comments.
struct GoInceptionRequest: Sendable {
    /// The whole text.
    let text: String
    /// Whether a statement of our own, which enters the database, is before the task's.
    let entersDatabase: Bool

    /// Throws `invalid_argument` or `start_failed`, naming what cannot be sent; never the password itself.
    init(_ plan: MySQLPlan, _ settings: GoInceptionSettings, password: [UInt8]?) throws(DeployError) {
        let source = "datasource '\(plan.datasource.name)'"
        var options: [String] = []
        func option(_ name: String, _ value: String, _ what: String) throws(DeployError) {
            options.append("--\(name)=\(try Self.quoted(value, "\(what) of \(source)"))")
        }
        let plain = Set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:[]")
        guard settings.targetHost.allSatisfy(plain.contains) else {
            throw DeployError(.startFailed, "the host of \(source) is no name or address that goInception can be given")
        }
        guard plan.datasource.server.user.allSatisfy({ !":@/".contains($0) }) else {
            throw DeployError(
                .startFailed, "the user of \(source) holds ':', '@' or '/', which goInception cannot take")
        }
        try option("host", settings.targetHost, "the host")
        options.append("--port=\(settings.targetPort)")
        try option("user", plan.datasource.server.user, "the user")
        if let password {
            guard let text = String(validating: password, as: UTF8.self) else {
                throw DeployError(
                    .startFailed, "the password of \(source) is no text in UTF-8, which goInception needs")
            }
            try option("password", text, "the password")
        }
        if let word = settings.targetEncryption { options.append("--ssl=\(word)") }
        if let file = settings.targetAuthorities { try option("ssl-ca", file, "target-ca-file") }
        options += Self.acts(plan)
        var lines = ["/*\(options.joined(separator: ";"));*/", "inception_magic_start;"]
        if let database = plan.database {
            guard database.unicodeScalars.allSatisfy({ $0.value >= 0x20 && $0.value != 0x7F }) else {
                throw DeployError(.invalidArgument, "the name of the database holds a control character")
            }
            lines.append("use \(Self.identifier(database));")
        }
        entersDatabase = plan.database != nil
        for (index, statement) in plan.statements.enumerated() {
            guard let line = statement.singleLine else {
                throw DeployError(
                    .invalidArgument,
                    "statement \(index + 1) has a line end in a quoted name, which goInception cannot read")
            }
            lines.append(line + ";")
        }
        lines.append("inception_magic_commit;")
        text = lines.joined(separator: "\n")
    }

    private static func acts(_ plan: MySQLPlan) -> [String] {
        guard plan.mode == .execute else { return ["--check=1"] }
        var acts = ["--execute=1"]
        if plan.execution.backup { acts.append("--backup=1") }
        if plan.execution.ignoresWarnings { acts.append("--ignore-warnings=1") }
        if let batch = plan.execution.batch { acts.append("--trans=\(batch)") }
        if let sleep = plan.execution.sleep { acts.append("--sleep=\(sleep)") }
        if let rows = plan.execution.sleepRows { acts.append("--sleep-rows=\(rows)") }
        return acts
    }

    /// A value in single quotes of YAML, in which every character but the quote stands for itself.
    static func quoted(_ value: String, _ what: String) throws(DeployError) -> String {
        func isRefused(_ scalar: Unicode.Scalar) -> Bool {
            switch scalar.properties.generalCategory {
            case .control, .lineSeparator, .paragraphSeparator, .surrogate, .unassigned: true
            default: false
            }
        }
        guard !value.contains(";"), !value.contains("*/"), !value.contains("remote"),
            !value.unicodeScalars.contains(where: isRefused)
        else {
            throw DeployError(
                .startFailed, "\(what) cannot be given to goInception",
                hint: "it must not hold ';', '*/', control characters or the word 'remote'")
        }
        return "'" + value.replacing("'", with: "''") + "'"
    }

    /// A name in backticks.
    static func identifier(_ name: String) -> String { "`" + name.replacing("`", with: "``") + "`" }
}
