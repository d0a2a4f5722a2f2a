// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

/// What kind of work a task is; each names one built-in executor. Other types are plugins of an agent.
public enum TaskType: String, Sendable, Codable, CaseIterable {
    /// A command line for `/bin/sh`, or an argument vector.
    case shell
    /// SQL for MySQL and MariaDB, through goInception or directly.
    case mysql
    /// SQL for PostgreSQL.
    case postgres
    /// Database commands for MongoDB.
    case mongo
    /// Requests to Elasticsearch.
    case elasticsearch
    /// SQL for ClickHouse.
    case clickhouse
    /// Objects of a Kubernetes cluster.
    case k8s
    /// Files below allowed directories.
    case file
    /// HTTP requests.
    case api
}
