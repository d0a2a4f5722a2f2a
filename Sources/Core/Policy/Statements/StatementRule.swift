// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

/// One thing the statement guard refuses; the manual prints this table.
public struct StatementRule: Sendable, Hashable {
    /// What verdicts and policies call it.
    public let id: String
    /// Where it applies.
    public let languages: [StatementLanguage]
    /// What it refuses, in one line.
    public let meaning: String
    /// Whether a policy may lift it.
    public let liftable: Bool

    private init(_ id: String, _ languages: [StatementLanguage], _ meaning: String, liftable: Bool = true) {
        self.id = id
        self.languages = languages
        self.meaning = meaning
        self.liftable = liftable
    }

    /// The rule with an id.
    public static func named(_ id: String) -> StatementRule? { index[id] }

    private static let index = Dictionary(table.map { ($0.id, $0) }, uniquingKeysWith: { first, _ in first })
    private static let sql: [StatementLanguage] = [.mysql, .postgres, .clickhouse]

    /// All rules.
    public static let table: [StatementRule] = [
        .init("sql.syntax", sql, "text that cannot be read with certainty", liftable: false),
        .init("sql.drop", sql, "DROP, DETACH and CREATE OR REPLACE TABLE: removes tables, databases and other objects"),
        .init("sql.alter-drop", sql, "ALTER ... DROP of a column or partition, and what else loses stored rows"),
        .init("sql.truncate", sql, "TRUNCATE: empties tables or partitions"),
        .init("sql.delete-unfiltered", sql, "DELETE without WHERE, or with one that is always true"),
        .init("sql.update-unfiltered", sql, "UPDATE without WHERE, or with one that is always true"),
        .init("sql.system-tables", sql, "writes to the server's own tables, such as mysql.user and pg_catalog"),
        .init(
            "sql.account", sql, "users, roles and rights: GRANT, REVOKE, CREATE USER, SET PASSWORD, SET ROLE, owners"),
        .init(
            "sql.settings", sql,
            "settings of the server, or such that change how text is read: SET GLOBAL, ALTER SYSTEM"),
        .init("sql.server", sql, "the server as a whole: FLUSH, RESET, replication, logs, SYSTEM"),
        .init("sql.shutdown", sql, "SHUTDOWN and RESTART"),
        .init("sql.kill", sql, "ends sessions or statements of others"),
        .init("sql.file", sql, "files of the server: INTO OUTFILE, LOAD DATA, LOAD_FILE, COPY, pg_read_file, file()"),
        .init("sql.remote", sql, "other servers: foreign tables, dblink, url(), s3(), remote()"),
        .init("sql.shell", sql, "programs: COPY ... PROGRAM, \\!, SYSTEM, executable(), sys_exec()"),
        .init("sql.code", sql, "code that the server loads: plug-ins, extensions, libraries, unsafe languages"),
        .init(
            "sql.routine", sql,
            "stored programs, triggers, rules, events and DO blocks, whose text runs later or unseen"),
        .init("sql.dynamic", sql, "text that becomes a statement only on the server"),
        .init("sql.conditional", sql, "more kinds of version comments than can be judged in every combination"),
        .init("sql.client", sql, "commands of an interactive client: DELIMITER, SOURCE, \\i"),

        .init("mongo.syntax", [.mongo], "what is not strict JSON without repeated keys", liftable: false),
        .init("mongo.drop", [.mongo], "drop, dropIndexes, convertToCapped"),
        .init("mongo.drop-database", [.mongo], "dropDatabase"),
        .init("mongo.delete-unfiltered", [.mongo], "delete with a filter that every document passes"),
        .init("mongo.update-unfiltered", [.mongo], "update of many with a filter that every document passes"),
        .init("mongo.out", [.mongo], "the stages $out and $merge, which write the result of a query"),
        .init("mongo.rename", [.mongo], "renameCollection"),
        .init("mongo.expire", [.mongo], "an index that deletes what is old (expireAfterSeconds)"),
        .init(
            "mongo.javascript", [.mongo], "JavaScript on the server: $where, $function, $accumulator, mapReduce, eval"),
        .init("mongo.account", [.mongo], "users and roles"),
        .init("mongo.system", [.mongo], "writes to system collections and to admin, config and local"),
        .init("mongo.settings", [.mongo], "setParameter, profile and other settings of the server"),
        .init(
            "mongo.server", [.mongo],
            "the server or cluster as a whole: shutdown, fsync, replSet..., sharding, applyOps"),
        .init("mongo.kill", [.mongo], "ends operations or sessions of others"),
        .init("mongo.unknown", [.mongo], "a command that is not known to be harmless"),

        .init("es.syntax", [.elasticsearch], "what is not a method, a plain path and JSON", liftable: false),
        .init("es.delete-index", [.elasticsearch], "removes indices, data streams, or one through _aliases"),
        .init("es.delete-by-query", [.elasticsearch], "_delete_by_query that every document passes, or on all indices"),
        .init("es.update-by-query", [.elasticsearch], "_update_by_query that every document passes, or on all indices"),
        .init("es.bulk-delete", [.elasticsearch], "delete items of _bulk"),
        .init("es.cluster", [.elasticsearch], "changes through _cluster and _nodes"),
        .init("es.snapshot", [.elasticsearch], "snapshots and their repositories: delete, restore, register"),
        .init("es.script", [.elasticsearch], "stored scripts, and scripts in other languages than the safe ones"),
        .init("es.security", [.elasticsearch], "users, roles, keys and tokens"),
        .init("es.settings", [.elasticsearch], "settings of indices; closing them"),
        .init("es.template", [.elasticsearch], "templates, pipelines and policies of life cycles"),
        .init("es.system", [.elasticsearch], "writes to indices whose name starts with a dot"),
        .init("es.remote", [.elasticsearch], "reindex from another cluster"),
        .init("es.kill", [.elasticsearch], "ends tasks of others"),
        .init("es.unknown", [.elasticsearch], "a call that changes something and is not known to be harmless"),

        .init("k8s.syntax", [.k8s], "a verb, option or manifest that cannot be read with certainty", liftable: false),
        .init("k8s.delete-namespace", [.k8s], "deletes a namespace and all that is in it"),
        .init(
            "k8s.delete-cluster-resource", [.k8s], "deletes what belongs to no namespace: nodes, volumes, CRDs, classes"
        ),
        .init("k8s.delete-volume", [.k8s], "deletes volume claims"),
        .init("k8s.all", [.k8s], "changes or deletes all objects of a kind: --all, --prune, no name"),
        .init("k8s.cluster-resource", [.k8s], "creates or changes what belongs to no namespace and rules others"),
        .init("k8s.system-namespace", [.k8s], "changes in the namespaces kube-system, kube-public and kube-node-lease"),
        .init("k8s.node", [.k8s], "cordon, uncordon, drain, taint"),
        .init("k8s.exec", [.k8s], "enters containers: exec, attach, cp, debug, port-forward, proxy"),
        .init("k8s.privileged", [.k8s], "pods with rights over their host: privileged, hostPath, hostPID, hostNetwork"),
        .init("k8s.rbac", [.k8s], "roles, bindings, certificates"),
        .init("k8s.secrets", [.k8s], "reads secrets or makes tokens"),
        .init("k8s.identity", [.k8s], "another identity or cluster: --as, --token, --server, --context, config"),
        .init("k8s.file", [.k8s], "manifests from files or addresses, which cannot be judged"),
        .init("k8s.raw", [.k8s], "paths of the API written out (--raw)"),
    ]
}
