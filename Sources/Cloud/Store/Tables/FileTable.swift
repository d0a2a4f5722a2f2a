// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

extension Scope {
    /// Holds for the rows of `files` that an operator of this scope sees: those of its environments; those it brought
    /// itself, where labels narrow what it reaches.
    func files(of name: String) -> SQLCondition {
        if isEverything { return .always }
        if environments?.isEmpty == true { return .never }
        var parts: [String] = []
        var values: [SQLValue] = []
        if let environments {
            parts.append("files.environment IN (\(environments.map { _ in "?" }.joined(separator: ", ")))")
            values += environments.map { .text($0) }
        }
        if !labels.isEmpty {
            parts.append("files.actor = ?")
            values.append(.text(name))
        }
        return SQLCondition(sql: "(\(parts.joined(separator: " AND ")))", values: values)
    }
}

/// The queries on `files`, `contents` and `run_files`. A content is kept as long as a file has it.
enum FileTable {
    private static let columns = "id, name, size, sha256, environment, actor, created_at, expires_at, task_id"

    /// Where a content is kept, and how many bytes it has.
    struct Content: Sendable, Equatable {
        var sha256: ContentHash
        var size: Int64
        /// Its name in the storage.
        var location: String
    }

    // MARK: Files

    /// Stores a file, and its content unless that is there already.
    ///
    /// - Returns: Where the content is kept: `content.location`, or that of an earlier one which must be used instead.
    static func insert(
        _ file: FileInfo, keep: Double?, content: Content, _ transaction: any SQLTransaction
    ) throws -> String {
        let known = try self.content(file.sha256, transaction)
        if known == nil {
            try transaction.execute(
                "INSERT INTO contents (sha256, size, location, created_at) VALUES (?, ?, ?, ?)",
                [
                    .text(content.sha256.hex), .integer(content.size), .text(content.location),
                    .integer(file.createdAt.milliseconds),
                ])
        }
        try transaction.execute(
            "INSERT INTO files (\(columns), keep) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                .text(file.id.rawValue), .text(file.name), .integer(file.size), .text(file.sha256.hex),
                .text(file.environment), .text(file.actor), .integer(file.createdAt.milliseconds),
                .integer(file.expiresAt?.milliseconds), .text(file.taskID?.rawValue),
                keep.map { .integer(Int64($0 * 1000)) } ?? .null,
            ])
        return known?.location ?? content.location
    }

    static func find(id: FileID, as principal: Principal, _ transaction: any SQLTransaction) throws -> FileInfo? {
        let reach = principal.scope.files(of: principal.name)
        return try transaction.rows(
            "SELECT \(columns) FROM files WHERE id = ? AND \(reach.sql)", [.text(id.rawValue)] + reach.values
        ).first.flatMap(file)
    }

    /// A file of that content which the principal sees: the newest.
    static func find(
        sha256: ContentHash, size: Int64, as principal: Principal, _ transaction: any SQLTransaction
    ) throws -> FileInfo? {
        let reach = principal.scope.files(of: principal.name)
        return try transaction.rows(
            """
            SELECT \(columns) FROM files WHERE sha256 = ? AND size = ? AND \(reach.sql)
            ORDER BY created_at DESC, id DESC LIMIT 1
            """, [.text(sha256.hex), .integer(size)] + reach.values
        ).first.flatMap(file)
    }

    /// The file that a task has brought.
    static func find(
        task: TaskID, name: String, sha256: ContentHash, _ transaction: any SQLTransaction
    ) throws -> FileInfo? {
        try transaction.rows(
            "SELECT \(columns) FROM files WHERE sha256 = ? AND task_id = ? AND name = ? LIMIT 1",
            [.text(sha256.hex), .text(task.rawValue), .text(name)]
        ).first.flatMap(file)
    }

    /// Ids that start with a prefix, two at most: enough to tell unique from ambiguous.
    static func ids(prefix: String, as principal: Principal, _ transaction: any SQLTransaction) throws -> [FileID] {
        let reach = principal.scope.files(of: principal.name)
        return try transaction.rows(
            "SELECT id FROM files WHERE id >= ? AND id < ? AND \(reach.sql) ORDER BY id LIMIT 2",
            [.text(prefix), .text(prefix + "~")] + reach.values
        ).compactMap { FileID($0.text(0)) }
    }

    /// Files, newest first, from before a cursor on.
    static func list(
        _ query: FileListQuery, before cursor: ListCursor?, limit: Int, as principal: Principal,
        _ transaction: any SQLTransaction
    ) throws -> [FileInfo] {
        let reach = principal.scope.files(of: principal.name)
        var (clause, values) = ListCursor.clause(cursor)
        clause += " AND \(reach.sql)"
        values += reach.values
        for (column, value) in [("name", query.name), ("sha256", query.sha256?.hex)] {
            guard let value else { continue }
            clause += " AND \(column) = ?"
            values.append(.text(value))
        }
        return try transaction.rows(
            "SELECT \(columns) FROM files WHERE \(clause) ORDER BY created_at DESC, id DESC LIMIT ?",
            values + [.integer(limit)]
        ).compactMap(file)
    }

    static func remove(_ id: FileID, _ transaction: any SQLTransaction) throws {
        try transaction.execute("DELETE FROM files WHERE id = ?", [.text(id.rawValue)])
        try transaction.execute("DELETE FROM run_files WHERE file_id = ?", [.text(id.rawValue)])
    }

    /// Puts off the removal of a file that was used.
    static func touch(_ id: FileID, at now: Timestamp, _ transaction: any SQLTransaction) throws {
        try transaction.execute(
            "UPDATE files SET expires_at = ? + keep WHERE id = ? AND keep IS NOT NULL",
            [.integer(now.milliseconds), .text(id.rawValue)])
    }

    private static func file(_ row: SQLRow) -> FileInfo? {
        guard let id = FileID(row.text(0)), let sha256 = ContentHash(row.text(3)) else { return nil }
        return FileInfo(
            id: id, name: row.text(1), size: row.integer(2), sha256: sha256, environment: row.optionalText(4),
            actor: row.text(5), createdAt: Timestamp(milliseconds: row.integer(6)),
            expiresAt: row.optionalInteger(7).map { Timestamp(milliseconds: $0) },
            taskID: row.optionalText(8).flatMap { TaskID($0) })
    }

    // MARK: Contents

    static func content(_ sha256: ContentHash, _ transaction: any SQLTransaction) throws -> Content? {
        try transaction.rows(
            "SELECT sha256, size, location FROM contents WHERE sha256 = ?", [.text(sha256.hex)]
        ).first.flatMap(content)
    }

    /// The contents of files, in the order of the ids; throws `not_found` when one is gone.
    static func contents(of files: [FileID], _ transaction: any SQLTransaction) throws -> [Content] {
        try files.map { id in
            guard
                let content = try transaction.rows(
                    """
                    SELECT contents.sha256, contents.size, contents.location FROM files
                    JOIN contents ON contents.sha256 = files.sha256 WHERE files.id = ?
                    """, [.text(id.rawValue)]
                ).first.flatMap(content)
            else { throw DeployError(.notFound, "file \(id) is not there any more") }
            return content
        }
    }

    /// Bytes of all contents.
    static func total(_ transaction: any SQLTransaction) throws -> Int64 {
        try transaction.rows("SELECT coalesce(sum(size), 0) FROM contents", []).first?.integer(0) ?? 0
    }

    /// Every place in the storage that a content is kept in.
    static func locations(_ transaction: any SQLTransaction) throws -> Set<String> {
        try Set(transaction.rows("SELECT location FROM contents", []).map { $0.text(0) })
    }

    private static func content(_ row: SQLRow) -> Content? {
        ContentHash(row.text(0)).map { Content(sha256: $0, size: row.integer(1), location: row.text(2)) }
    }

    /// Removes files whose time has run out, unless an unfinished task needs them, then contents that no file has.
    ///
    /// - Returns: The files, and the places of contents that may be deleted once this is committed.
    static func sweep(
        before now: Timestamp, limit: Int, _ transaction: any SQLTransaction
    ) throws -> (files: [FileInfo], locations: [String]) {
        let files = try transaction.rows(
            """
            SELECT \(columns) FROM files WHERE expires_at <= ? AND NOT EXISTS (\(Self.unfinishedUse)) LIMIT ?
            """, [.integer(now.milliseconds), .integer(limit)]
        ).compactMap(file)
        for file in files { try remove(file.id, transaction) }
        return (files, try dropContents(limit: limit, transaction))
    }

    /// Removes contents that no file has, and gives their places.
    static func dropContents(limit: Int, _ transaction: any SQLTransaction) throws -> [String] {
        let rows = try transaction.rows(
            """
            SELECT sha256, location FROM contents
            WHERE NOT EXISTS (SELECT 1 FROM files WHERE files.sha256 = contents.sha256) LIMIT ?
            """, [.integer(limit)])
        for row in rows { try transaction.execute("DELETE FROM contents WHERE sha256 = ?", [.text(row.text(0))]) }
        return rows.map { $0.text(1) }
    }

    private static let unfinishedUse = """
        SELECT 1 FROM run_files JOIN tasks ON tasks.run_id = run_files.run_id
        WHERE run_files.file_id = files.id AND tasks.finished_at IS NULL
        """

    /// A run with unfinished tasks that needs a file, if there is one.
    static func user(of id: FileID, _ transaction: any SQLTransaction) throws -> String? {
        try transaction.rows(
            """
            SELECT run_files.run_id FROM run_files JOIN tasks ON tasks.run_id = run_files.run_id
            WHERE run_files.file_id = ? AND tasks.finished_at IS NULL LIMIT 1
            """, [.text(id.rawValue)]
        ).first?.text(0)
    }

    // MARK: Tasks that bring files

    /// A specification with what is known of the stored files it names; throws `not_found` for one the principal does not
    /// see. Others are left as they are.
    static func complete(
        _ spec: TaskSpec, as principal: Principal, _ transaction: any SQLTransaction
    ) throws -> TaskSpec {
        guard spec.type == TaskType.file.rawValue else { return spec }
        var items = try FileParameters(spec).items
        if items.isEmpty { return spec }
        for index in items.indices {
            guard let file = try find(id: items[index].fileID, as: principal, transaction) else {
                throw DeployError(
                    .notFound, "there is no file \(items[index].fileID)", hint: "tiangong file list")
            }
            items[index].size = file.size
            items[index].sha256 = file.sha256
        }
        var completed = spec
        completed.params["files"] = .array(items.map(\.value))
        return completed
    }

    /// Notes which files a run needs, and that they are used.
    static func use(_ spec: TaskSpec, in run: RunID, _ transaction: any SQLTransaction) throws {
        guard spec.type == TaskType.file.rawValue else { return }
        let now = Timestamp.now()
        for id in Set(try FileParameters(spec).items.map(\.fileID)) {
            try transaction.execute(
                "INSERT INTO run_files (run_id, file_id) VALUES (?, ?)", [.text(run.rawValue), .text(id.rawValue)])
            try touch(id, at: now, transaction)
        }
    }
}
