// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

extension TaskSpec {
    /// What the audit keeps of a specification besides its command: the type, what decides how it runs, and of variables
    /// and standard input only that they are there. Never a value that may be a secret.
    public var auditDetail: [String: JSONValue] {
        var detail: [String: JSONValue] = [:]
        if type != TaskType.shell.rawValue { detail["type"] = .string(type) }
        for name in ["argv", "cwd", "user", "host_namespaces"] {
            guard let value = params[name], value != .null, value != .bool(false) else { continue }
            detail[name] = Self.bounded(value)
        }
        if let members = params["env"]?.objectValue, !members.isEmpty {
            detail["env"] = Self.bounded(.array(members.keys.sorted().map { .string($0) }))
        }
        let known: Set = ["argv", "cwd", "user", "host_namespaces", "env"]
        let others = params.keys.filter { !known.contains($0) && params[$0] != .null }.sorted()
        if !others.isEmpty { detail["params"] = Self.bounded(.array(others.map { .string($0) })) }
        if let fileID { detail["file_id"] = .string(fileID) }
        if let timeout { detail["timeout"] = .number(timeout) }
        return detail
    }

    /// The most bytes of one value in a record; longer ones are told by their size and hash.
    private static let longest = 16_384

    private static func bounded(_ value: JSONValue) -> JSONValue {
        var bytes: [UInt8] = []
        CanonicalJSON.write(value, to: &bytes)
        guard bytes.count > longest else { return value }
        return .object(["bytes": .integer(Int64(bytes.count)), "sha256": .string(AuditChain.digest(of: bytes))])
    }
}

extension TaskRecord {
    /// The record of this task's end.
    ///
    /// - Parameters:
    ///   - actor: Who says so: the agent, or `-` for the Cloud itself.
    ///   - environment: Where its agent belongs.
    public func auditEnd(by actor: String, environment: String?) -> AuditRecord {
        var record = AuditRecord(action: "task.end", actor: actor)
        record.agent = agentName
        record.env = environment
        record.run = runID.rawValue
        record.task = id.rawValue
        record.attempt = attempt
        record.result = state.rawValue
        record.detail = AuditRecord.end(exitCode: exitCode, signal: signal, error: error)
        return record
    }
}

extension AuditRecord {
    /// How a task ended, as detail; nil when there is nothing to say.
    public static func end(exitCode: Int32?, signal: Int32?, error: TaskFailure?) -> [String: JSONValue]? {
        var detail: [String: JSONValue] = [:]
        if let exitCode { detail["exit_code"] = .integer(Int64(exitCode)) }
        if let signal { detail["signal"] = .integer(Int64(signal)) }
        if let error { detail["error"] = .string(error.code) }
        return detail.isEmpty ? nil : detail
    }
}
