// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// The tables, as ordered steps that are applied once each and never edited afterwards. Portable SQL: times are
/// milliseconds since 1970 in integers, structured values are JSON in text.
enum Schema {
    /// One step.
    struct Migration: Sendable {
        /// Run in this order.
        let statements: [String]
        /// Fills new tables from old ones where that takes more than portable SQL.
        var fill: @Sendable (any SQLTransaction) throws -> Void = { _ in }
    }

    static let migrations = [
        Migration(statements: [
            """
            CREATE TABLE agents (
              id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, labels TEXT NOT NULL, reported_labels TEXT NOT NULL,
              environment TEXT NOT NULL, hostname TEXT NOT NULL, ip TEXT NOT NULL, os TEXT NOT NULL, arch TEXT NOT NULL,
              version TEXT NOT NULL, executors TEXT NOT NULL, max_concurrency BIGINT NOT NULL, status TEXT NOT NULL,
              running BIGINT NOT NULL, queued BIGINT NOT NULL, load_average DOUBLE PRECISION, last_seen BIGINT,
              connected_at BIGINT, epoch BIGINT NOT NULL, replica TEXT NOT NULL, created_at BIGINT NOT NULL)
            """,
            """
            CREATE TABLE agent_sessions (
              agent_id TEXT NOT NULL REFERENCES agents (id), epoch BIGINT NOT NULL, replica TEXT NOT NULL,
              remote_address TEXT NOT NULL, connected_at BIGINT NOT NULL, disconnected_at BIGINT, reason TEXT,
              PRIMARY KEY (agent_id, epoch))
            """,
            """
            CREATE TABLE tokens (
              id TEXT PRIMARY KEY, kind TEXT NOT NULL, name TEXT NOT NULL, agent_id TEXT REFERENCES agents (id),
              salt TEXT NOT NULL, hash TEXT NOT NULL, created_at BIGINT NOT NULL, expires_at BIGINT,
              last_used_at BIGINT, revoked_at BIGINT)
            """,
            """
            CREATE TABLE runs (
              id TEXT PRIMARY KEY, spec TEXT NOT NULL, target TEXT NOT NULL, actor TEXT NOT NULL,
              created_at BIGINT NOT NULL, idempotency_key TEXT, UNIQUE (actor, idempotency_key))
            """,
            "CREATE INDEX runs_by_time ON runs (created_at, id)",
            """
            CREATE TABLE tasks (
              id TEXT PRIMARY KEY, run_id TEXT NOT NULL REFERENCES runs (id),
              agent_id TEXT NOT NULL REFERENCES agents (id), agent_name TEXT NOT NULL, attempt BIGINT NOT NULL,
              state TEXT NOT NULL, type TEXT NOT NULL, command TEXT NOT NULL, actor TEXT NOT NULL, exit_code BIGINT,
              signal BIGINT, error TEXT, result TEXT, created_at BIGINT NOT NULL, dispatched_at BIGINT,
              started_at BIGINT, finished_at BIGINT, expires_at BIGINT, log_seq BIGINT)
            """,
            "CREATE INDEX tasks_by_agent ON tasks (agent_id, state)",
            "CREATE INDEX tasks_by_run ON tasks (run_id)",
            "CREATE INDEX tasks_by_time ON tasks (created_at, id)",
            "CREATE INDEX tasks_by_state ON tasks (state, expires_at)",
            """
            CREATE TABLE task_transitions (
              task_id TEXT NOT NULL REFERENCES tasks (id), attempt BIGINT NOT NULL, at BIGINT NOT NULL,
              from_state TEXT NOT NULL, to_state TEXT NOT NULL)
            """,
            "CREATE INDEX task_transitions_by_task ON task_transitions (task_id)",
            """
            CREATE TABLE log_chunks (
              task_id TEXT NOT NULL REFERENCES tasks (id), attempt BIGINT NOT NULL, seq BIGINT NOT NULL,
              stream TEXT NOT NULL, byte_offset BIGINT NOT NULL, at BIGINT NOT NULL, codec TEXT NOT NULL,
              raw_length BIGINT NOT NULL, data BLOB NOT NULL, PRIMARY KEY (task_id, attempt, seq))
            """,
        ]),
        security,
        files,
        executors,
        journals,
    ]

    /// Who may do what, what may run where, and the record of it.
    private static let security = Migration(
        statements: [
            """
            CREATE TABLE operators (
              name TEXT PRIMARY KEY, role TEXT NOT NULL, environments TEXT, labels TEXT NOT NULL,
              created_at BIGINT NOT NULL, disabled_at BIGINT)
            """,
            // Before this version every operator could do everything.
            """
            INSERT INTO operators (name, role, environments, labels, created_at)
            SELECT name, 'admin', NULL, '{}', min(created_at) FROM tokens WHERE kind = 'operator' GROUP BY name
            """,
            "ALTER TABLE tokens ADD COLUMN role TEXT",
            "ALTER TABLE tokens ADD COLUMN environments TEXT",
            "ALTER TABLE tokens ADD COLUMN labels TEXT NOT NULL DEFAULT '{}'",
            // A browser's session: the token it was opened with, which it never outlives.
            "ALTER TABLE tokens ADD COLUMN opened_with TEXT",
            "CREATE INDEX tokens_by_opener ON tokens (opened_with)",
            "CREATE INDEX tokens_by_name ON tokens (name, kind)",
            "CREATE INDEX tokens_by_agent ON tokens (agent_id)",
            "CREATE INDEX tokens_by_revocation ON tokens (revoked_at)",
            "CREATE INDEX tokens_by_expiry ON tokens (expires_at)",
            """
            CREATE TABLE enrolment_tokens (
              id TEXT PRIMARY KEY, salt TEXT NOT NULL, hash TEXT NOT NULL, environment TEXT NOT NULL,
              labels TEXT NOT NULL, name_prefix TEXT NOT NULL, sources TEXT NOT NULL, uses_left BIGINT NOT NULL,
              actor TEXT NOT NULL, created_at BIGINT NOT NULL, expires_at BIGINT NOT NULL, revoked_at BIGINT)
            """,
            "CREATE INDEX enrolment_tokens_by_time ON enrolment_tokens (created_at, id)",
            """
            CREATE TABLE client_certificates (
              serial TEXT PRIMARY KEY, agent_id TEXT NOT NULL REFERENCES agents (id), not_after BIGINT NOT NULL,
              issued_at BIGINT NOT NULL, revoked_at BIGINT)
            """,
            "CREATE INDEX client_certificates_by_agent ON client_certificates (agent_id)",
            "UPDATE agents SET environment = 'default' WHERE environment = ''",
            "ALTER TABLE agents ADD COLUMN policy TEXT",
            "ALTER TABLE agents ADD COLUMN policy_mode TEXT",
            "ALTER TABLE agents ADD COLUMN host_namespaces BIGINT NOT NULL DEFAULT 0",
            "ALTER TABLE agents ADD COLUMN reported_environment TEXT NOT NULL DEFAULT ''",
            "ALTER TABLE agents ADD COLUMN removed_at BIGINT",
            "CREATE INDEX agents_by_environment ON agents (environment)",
            """
            CREATE TABLE agent_labels (
              agent_id TEXT NOT NULL REFERENCES agents (id), name TEXT NOT NULL, value TEXT NOT NULL,
              PRIMARY KEY (agent_id, name))
            """,
            """
            CREATE TABLE policies (
              name TEXT PRIMARY KEY, environments TEXT, labels TEXT NOT NULL, policy TEXT NOT NULL,
              warnings TEXT NOT NULL, actor TEXT NOT NULL, updated_at BIGINT NOT NULL)
            """,
            """
            CREATE TABLE audit (
              seq BIGINT PRIMARY KEY, ts BIGINT NOT NULL, action TEXT NOT NULL, actor TEXT NOT NULL, agent TEXT,
              env TEXT, task TEXT, verdict TEXT, record TEXT NOT NULL, hash TEXT NOT NULL)
            """,
            "CREATE INDEX audit_by_time ON audit (ts, seq)",
            "CREATE INDEX audit_by_actor ON audit (actor, seq)",
            "CREATE INDEX audit_by_action ON audit (action, seq)",
            "CREATE INDEX audit_by_agent ON audit (agent, seq)",
            "CREATE INDEX audit_by_env ON audit (env, seq)",
            "CREATE INDEX audit_by_task ON audit (task, seq)",
            """
            CREATE TABLE audit_checkpoints (
              chain TEXT NOT NULL, seq BIGINT NOT NULL, checkpoint TEXT NOT NULL, PRIMARY KEY (chain, seq))
            """,
        ],
        fill: { transaction in
            for row in try transaction.rows("SELECT id, labels FROM agents", []) {
                let labels: [String: String] = StoredJSON.value(row.text(1)) ?? [:]
                for (name, value) in labels {
                    try transaction.execute(
                        "INSERT INTO agent_labels (agent_id, name, value) VALUES (?, ?, ?)",
                        [.text(row.text(0)), .text(name), .text(value)])
                }
            }
        })

    /// Stored files, how far tasks have come, and runs that go over their targets in batches.
    private static let files = Migration(statements: [
        """
        CREATE TABLE contents (
          sha256 TEXT PRIMARY KEY, size BIGINT NOT NULL, location TEXT NOT NULL, created_at BIGINT NOT NULL)
        """,
        """
        CREATE TABLE files (
          id TEXT PRIMARY KEY, name TEXT NOT NULL, sha256 TEXT NOT NULL REFERENCES contents (sha256),
          size BIGINT NOT NULL, environment TEXT, actor TEXT NOT NULL, created_at BIGINT NOT NULL, expires_at BIGINT,
          keep BIGINT, task_id TEXT)
        """,
        "CREATE INDEX files_by_time ON files (created_at, id)",
        "CREATE INDEX files_by_content ON files (sha256)",
        "CREATE INDEX files_by_expiry ON files (expires_at)",
        "CREATE TABLE run_files (run_id TEXT NOT NULL, file_id TEXT NOT NULL, PRIMARY KEY (run_id, file_id))",
        "CREATE INDEX run_files_by_file ON run_files (file_id)",
        "ALTER TABLE tasks ADD COLUMN progress_done BIGINT",
        "ALTER TABLE tasks ADD COLUMN progress_total BIGINT",
        "ALTER TABLE tasks ADD COLUMN progress_note TEXT",
        "ALTER TABLE tasks ADD COLUMN held BIGINT NOT NULL DEFAULT 0",
        "CREATE INDEX tasks_by_hold ON tasks (held, run_id)",
        "ALTER TABLE runs ADD COLUMN rollout TEXT",
    ])

    /// What agents tell of their executors.
    private static let executors = Migration(statements: [
        "ALTER TABLE agents ADD COLUMN executor_details TEXT",
        "ALTER TABLE agents ADD COLUMN executor_schemas TEXT",
    ])

    /// Which journal an agent's newest link answers from.
    private static let journals = Migration(statements: [
        "ALTER TABLE agents ADD COLUMN journal_id TEXT NOT NULL DEFAULT ''"
    ])

    /// Applies what is missing, each step whole or not at all.
    ///
    /// Throws `conflict` when the database is newer than this program.
    static func migrate(_ driver: any SQLDriver) async throws {
        try await driver.write { transaction in
            try transaction.execute(
                "CREATE TABLE IF NOT EXISTS schema_migrations (version BIGINT PRIMARY KEY, applied_at BIGINT NOT NULL)",
                [])
            let applied =
                try transaction.rows("SELECT max(version) FROM schema_migrations", []).first?.optionalInteger(0) ?? 0
            guard applied <= migrations.count else {
                throw DeployError(
                    .conflict,
                    "the database is of a newer version (schema \(applied), this program knows \(migrations.count))",
                    hint: "start the newer tiangong-cloud, or restore a backup")
            }
            for (index, migration) in migrations.enumerated().dropFirst(Int(clamping: applied)) {
                for statement in migration.statements { try transaction.execute(statement, []) }
                try migration.fill(transaction)
                try transaction.execute(
                    "INSERT INTO schema_migrations (version, applied_at) VALUES (?, ?)",
                    [.integer(index + 1), .integer(Timestamp.now().milliseconds)])
            }
        }
    }
}
