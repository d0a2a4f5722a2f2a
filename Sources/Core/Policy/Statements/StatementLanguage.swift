// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

/// What a statement is written in; the same words as the task types that run it.
public enum StatementLanguage: String, Sendable, Hashable, Codable, CaseIterable {
    /// MySQL and MariaDB.
    case mysql
    /// PostgreSQL.
    case postgres
    /// ClickHouse.
    case clickhouse
    /// Database commands of MongoDB, as extended JSON.
    case mongo
    /// A method and a path on the first line, the body below.
    case elasticsearch
    /// A verb, a resource and options on the first line, manifests below.
    case k8s

    /// What the ids of its rules start with.
    var family: String {
        switch self {
        case .mysql, .postgres, .clickhouse: "sql"
        case .mongo: "mongo"
        case .elasticsearch: "es"
        case .k8s: "k8s"
        }
    }
}
