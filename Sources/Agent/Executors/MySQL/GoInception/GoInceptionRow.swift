// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// Where the columns of goInception's answer are; versions differ in how many there are.
struct GoInceptionColumns: Sendable, Equatable {
    private var places: [String: Int] = [:]

    /// Nil when the columns are not those of an answer.
    init?(_ names: [String]) {
        for (index, name) in names.enumerated() { places[Self.plain(name)] = index }
        for name in ["orderid", "stage", "stagestatus", "sql"] where places[name] == nil { return nil }
        guard self["errorlevel"] != nil else { return nil }
    }

    /// The place of a column, by its name in small letters without strokes.
    subscript(_ name: String) -> Int? {
        places[name] ?? Self.others[name].flatMap { places[$0] }
    }

    private static let others = ["errorlevel": "errlevel", "errormessage": "errmsg", "backupdbname": "backupdb"]

    private static func plain(_ name: String) -> String { name.lowercased().replacing("_", with: "") }
}

/// What goInception says of one statement.
struct GoInceptionRow: Sendable, Equatable {
    /// What became of it.
    enum Fate: Sendable {
        /// It was looked at only.
        case checked
        /// It was executed.
        case executed
        /// It was tried, and failed.
        case failed
    }

    /// 0 for none, 1 for a warning, 2 for an error; anything else counts as an error.
    var level: Int
    /// Where it got to.
    var stage: String
    /// What happened there.
    var status: String
    /// What it has to say; empty for nothing.
    var message: String
    /// The statement, its beginning.
    var statement: String
    /// Rows it changed; when it was not executed, how many it would about.
    var affected: Int64
    /// By what its rollback is found.
    var sequence: String
    /// Where its rollback is; nil when none was stored.
    var backupDatabase: String?

    /// The longest message and statement that are kept of it.
    static let kept = 500

    /// Reads one row by a function that gives a column's text.
    init(_ columns: GoInceptionColumns, _ text: (Int) -> String?) {
        func value(_ name: String) -> String? { columns[name].flatMap(text) }
        level = value("errorlevel").flatMap { Int($0) }.map { (0...2).contains($0) ? $0 : 2 } ?? 2
        stage = String((value("stage") ?? "").prefix(Self.kept)).uppercased()
        status = String((value("stagestatus") ?? "").prefix(Self.kept))
        message = String((value("errormessage") ?? "").prefix(Self.kept)).replacing("\n", with: " ")
        statement = String((value("sql") ?? "").prefix(Self.kept))
        affected = value("affectedrows").flatMap { Int64($0) }.map { max(0, $0) } ?? 0
        sequence = String((value("sequence") ?? "").prefix(128))
        backupDatabase = value("backupdbname").flatMap { $0.isEmpty ? nil : String($0.prefix(256)) }
    }

    /// What became of it.
    var fate: Fate {
        guard stage == "EXECUTED" || stage == "BACKUP" else { return .checked }
        return status.hasPrefix("Execute Successfully") ? .executed : .failed
    }

    /// Whether what takes it back was stored.
    var isBackedUp: Bool { status.contains("Backup Successfully") && rollbackKey != nil }

    /// Whether that was tried and failed.
    var backupFailed: Bool { status.lowercased().contains("backup failed") }

    /// ``sequence``, when it is one of a statement that was executed: digits and strokes, so that it needs no quoting.
    var rollbackKey: String? {
        let parts = sequence.split(separator: "_", omittingEmptySubsequences: false)
        guard parts.count == 3, parts.allSatisfy({ !$0.isEmpty && $0.utf8.allSatisfy { (48...57).contains($0) } }),
            parts[0].contains(where: { $0 != "0" }), backupDatabase != nil
        else { return nil }
        return sequence
    }
}
