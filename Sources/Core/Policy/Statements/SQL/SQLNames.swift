// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

/// The words the rules are made of.
enum SQLNames {
    /// What a statement may start with; everything else is refused.
    static func heads(_ dialect: SQLDialect) -> Set<String> {
        switch dialect {
        case .mysql: mysqlHeads
        case .postgres: postgresHeads
        case .clickhouse: clickhouseHeads
        }
    }

    private static let mysqlHeads: Set<String> = [
        "ALTER", "ANALYZE", "BACKUP", "BEGIN", "BINLOG", "CACHE", "CALL", "CHANGE", "CHECK", "CHECKSUM", "CLONE",
        "COMMIT", "CREATE", "DEALLOCATE", "DELETE", "DELIMITER", "DESC", "DESCRIBE", "DO", "DROP", "EXECUTE", "EXPLAIN",
        "FLUSH", "GRANT", "HANDLER", "HELP", "IMPORT", "INSERT", "INSTALL", "KILL", "LOAD", "LOCK", "OPTIMIZE",
        "PREPARE", "PURGE", "RELEASE", "RENAME", "REPAIR", "REPLACE", "RESET", "RESTART", "REVOKE", "ROLLBACK",
        "SAVEPOINT", "SELECT", "SET", "SHOW", "SHUTDOWN", "SOURCE", "START", "STOP", "SYSTEM", "TABLE", "TRUNCATE",
        "UNINSTALL", "UNLOCK", "UPDATE", "USE", "VALUES", "WITH", "XA", "PAGER", "TEE", "EDIT",
    ]
    private static let postgresHeads: Set<String> = [
        "ABORT", "ALTER", "ANALYSE", "ANALYZE", "BEGIN", "CALL", "CHECKPOINT", "CLOSE", "CLUSTER", "COMMENT", "COMMIT",
        "COPY", "CREATE", "DEALLOCATE", "DECLARE", "DELETE", "DISCARD", "DO", "DROP", "END", "EXECUTE", "EXPLAIN",
        "FETCH", "GRANT", "IMPORT", "INSERT", "LISTEN", "LOAD", "LOCK", "MERGE", "MOVE", "NOTIFY", "PREPARE",
        "REASSIGN", "REFRESH", "REINDEX", "RELEASE", "RESET", "REVOKE", "ROLLBACK", "SAVEPOINT", "SECURITY", "SELECT",
        "SET", "SHOW", "START", "TABLE", "TRUNCATE", "UNLISTEN", "UPDATE", "VACUUM", "VALUES", "WITH",
    ]
    private static let clickhouseHeads: Set<String> = [
        "ALTER", "ATTACH", "BACKUP", "BEGIN", "CHECK", "COMMIT", "CREATE", "DELETE", "DESC", "DESCRIBE", "DETACH",
        "DROP", "EXCHANGE", "EXECUTE", "EXISTS", "EXPLAIN", "FROM", "GRANT", "INSERT", "KILL", "MOVE", "OPTIMIZE",
        "RENAME", "REPLACE", "RESTORE", "REVOKE", "ROLLBACK", "SELECT", "SET", "SHOW", "SYSTEM", "TRUNCATE", "UNDROP",
        "UPDATE", "USE", "WITH",
    ]

    /// Heads that a rule refuses whatever follows.
    static func refused(_ head: String, _ dialect: SQLDialect) -> (rule: String, message: String)? {
        guard let rule = always[head] else { return nil }
        if head == "SYSTEM" { return (dialect == .clickhouse ? "sql.server" : "sql.shell", "SYSTEM") }
        if head == "BACKUP", dialect == .mysql { return ("sql.server", "BACKUP") }
        return (rule, head)
    }

    private static let always: [String: String] = [
        "TRUNCATE": "sql.truncate", "DETACH": "sql.drop", "GRANT": "sql.account", "REVOKE": "sql.account",
        "REASSIGN": "sql.account", "SECURITY": "sql.account", "SHUTDOWN": "sql.shutdown", "RESTART": "sql.shutdown",
        "KILL": "sql.kill", "FLUSH": "sql.server", "PURGE": "sql.server", "CHANGE": "sql.server", "STOP": "sql.server",
        "CLONE": "sql.server", "BACKUP": "sql.file", "RESTORE": "sql.file", "SYSTEM": "sql.server",
        "INSTALL": "sql.code", "UNINSTALL": "sql.code", "BINLOG": "sql.dynamic", "DELIMITER": "sql.client",
        "SOURCE": "sql.client", "TEE": "sql.client", "PAGER": "sql.shell", "EDIT": "sql.shell",
    ]

    /// The rule that refuses a call of a function, by its name in small letters.
    static func function(_ name: String, _ dialect: SQLDialect) -> String? {
        switch dialect {
        case .mysql: mysqlFunctions[name]
        case .postgres:
            postgresFunctions[name] ?? postgresPrefixes.first { name.hasPrefix($0.prefix) }?.rule
        case .clickhouse: clickhouseFunctions[name]
        }
    }

    private static let mysqlFunctions = [
        "load_file": "sql.file", "sys_exec": "sql.shell", "sys_eval": "sql.shell", "sys_set": "sql.shell",
        "sys_get": "sql.shell", "sys_bineval": "sql.shell", "execute_prepared_stmt": "sql.dynamic",
    ]
    private static let postgresPrefixes: [(prefix: String, rule: String)] = [
        ("pg_read_", "sql.file"), ("pg_ls_", "sql.file"), ("pg_file_", "sql.file"), ("pg_stat_file", "sql.file"),
        ("pg_current_logfile", "sql.file"), ("lo_export", "sql.file"), ("lo_import", "sql.file"),
        ("be_lo_", "sql.file"), ("dblink", "sql.remote"), ("postgres_fdw_", "sql.remote"),
        ("pg_terminate_", "sql.kill"),
        ("pg_cancel_", "sql.kill"), ("pg_reload_", "sql.server"), ("pg_rotate_", "sql.server"),
        ("pg_promote", "sql.server"), ("pg_switch_", "sql.server"), ("pg_wal_replay_", "sql.server"),
        ("pg_drop_", "sql.server"), ("pg_replication_", "sql.server"), ("pg_copy_", "sql.server"),
        ("pg_create_", "sql.server"), ("pg_start_backup", "sql.server"), ("pg_stop_backup", "sql.server"),
        ("pg_backup_", "sql.server"), ("pg_log_backend_", "sql.server"), ("pg_stat_reset", "sql.server"),
        ("query_to_xml", "sql.dynamic"), ("cursor_to_xml", "sql.dynamic"), ("database_to_xml", "sql.dynamic"),
        ("crosstab", "sql.dynamic"), ("pg_extension_", "sql.code"), ("plpy", "sql.code"),
    ]
    private static let postgresFunctions = [
        "ts_stat": "sql.dynamic", "ts_rewrite": "sql.dynamic", "connectby": "sql.dynamic", "exec": "sql.dynamic",
        "set_config": "sql.settings", "lowrite": "sql.file", "pg_logdir_ls": "sql.file", "pg_execute": "sql.dynamic",
    ]
    private static let clickhouseFunctions: [String: String] = {
        var result: [String: String] = [:]
        for name in ["file", "filecluster", "sqlite", "filesystem"] { result[name] = "sql.file" }
        for name in ["executable", "executablepool"] { result[name] = "sql.shell" }
        for name in [
            "url", "urlcluster", "s3", "s3cluster", "s3queue", "gcs", "cosn", "oss", "hdfs", "hdfscluster", "remote",
            "remotesecure", "mysql", "postgresql", "mongodb", "redis", "odbc", "jdbc", "azureblobstorage",
            "azureblobstoragecluster", "azurequeue", "iceberg", "icebergs3", "icebergazure", "iceberghdfs",
            "iceberglocal", "icebergcluster", "icebergs3cluster", "deltalake", "deltalakecluster", "deltalakes3",
            "deltalakeazure", "deltalakelocal", "hudi", "hudicluster", "paimon", "paimons3", "hive", "ytsaurus",
            "arrowflight", "prometheusquery",
        ] { result[name] = "sql.remote" }
        result["catboostevaluate"] = "sql.code"
        result["addresstoline"] = "sql.server"
        return result
    }()

    /// Storage engines of ClickHouse and MySQL that reach beyond the server, in small letters.
    static func engine(_ name: String, _ dialect: SQLDialect) -> String? {
        switch dialect {
        case .postgres: return nil
        case .mysql: return ["federated", "federatedx", "connect", "spider", "s3"].contains(name) ? "sql.remote" : nil
        case .clickhouse:
            let more = [
                "kafka", "rabbitmq", "nats", "materializedpostgresql", "materializedmysql", "dictionary", "distributed",
                "externaldistributed", "filelog",
            ]
            if name == "dictionary" || name == "distributed" { return nil }
            return clickhouseFunctions[name] ?? (more.contains(name) ? "sql.remote" : nil)
        }
    }

    /// Schemas that belong to the server.
    static func isSystem(_ schema: String, _ dialect: SQLDialect) -> Bool {
        switch dialect {
        case .mysql: ["mysql", "sys", "performance_schema", "information_schema"].contains(schema)
        case .postgres: ["pg_catalog", "information_schema", "pg_toast"].contains(schema)
        case .clickhouse: ["system", "information_schema"].contains(schema)
        }
    }

    /// Settings that change how text is read, what is checked or what is loaded, in small letters.
    static let settings: Set<String> = [
        "standard_conforming_strings", "client_encoding", "session_replication_role", "dynamic_library_path",
        "session_preload_libraries", "local_preload_libraries", "shared_preload_libraries", "row_security",
        "sql_log_bin", "character_set_client", "character_set_connection", "backslash_quote", "transform_null_equals",
        "allow_system_table_mods", "gtid_next", "pseudo_slave_mode", "pseudo_replica_mode", "readonly",
        "allow_introspection_functions", "allow_ddl", "zero_damaged_pages", "dialect", "implicit_select",
    ]

    /// Character sets in which no byte of a character can be taken for a quote or backslash.
    static let safeCharacterSets: Set<String> = [
        "utf8", "utf8mb3", "utf8mb4", "latin1", "ascii", "binary", "default", "utf-8", "sql_ascii",
    ]
}
