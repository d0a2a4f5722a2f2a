// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

/// What to do, as the operator asked for it: the same for every task of a run.
public struct TaskSpec: Sendable, Hashable, Codable {
    /// Which executor.
    public var type: String
    /// The command text; for an argument vector, its display form.
    public var command: String
    /// The executor's own parameters; for shell see ``ShellParameters``.
    public var params: [String: JSONValue]
    /// A stored file the task works on.
    public var fileID: String?
    /// Seconds until the task is ended as timed out; nil for none.
    public var timeout: Double?
    /// Seconds between TERM and KILL when it is stopped.
    public var grace: Double?
    /// Seconds the task may wait for its agent; nil for the server's default.
    public var expiresIn: Double?
    /// Bytes of output kept per task; more is cut with a visible mark. Nil for the agent's default.
    public var logLimit: Int64?

    enum CodingKeys: String, CodingKey {
        case type, command, params, timeout, grace
        case fileID = "file_id"
        case expiresIn = "expires_in"
        case logLimit = "log_limit"
    }

    /// A specification; see the properties.
    public init(
        type: String = TaskType.shell.rawValue, command: String, params: [String: JSONValue] = [:],
        fileID: String? = nil, timeout: Double? = nil, grace: Double? = nil, expiresIn: Double? = nil,
        logLimit: Int64? = nil
    ) {
        self.type = type
        self.command = command
        self.params = params
        self.fileID = fileID
        self.timeout = timeout
        self.grace = grace
        self.expiresIn = expiresIn
        self.logLimit = logLimit
    }

    /// Reads a specification; only `command` is required.
    public init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        type = try values.decodeIfPresent(String.self, forKey: .type) ?? TaskType.shell.rawValue
        command = try values.decode(String.self, forKey: .command)
        params = try values.decodeIfPresent([String: JSONValue].self, forKey: .params) ?? [:]
        fileID = try values.decodeIfPresent(String.self, forKey: .fileID)
        timeout = try values.decodeIfPresent(Double.self, forKey: .timeout)
        grace = try values.decodeIfPresent(Double.self, forKey: .grace)
        expiresIn = try values.decodeIfPresent(Double.self, forKey: .expiresIn)
        logLimit = try values.decodeIfPresent(Int64.self, forKey: .logLimit)
    }

    /// The largest command text of a shell task, in bytes.
    public static let maximumCommandBytes = 16_384

    /// Checks ranges and, for a built-in type, the executor's parameters; those of a plugin are its agent's to check.
    ///
    /// Throws `invalid_argument`, `too_large` or `unsupported`.
    public func validate() throws(DeployError) {
        if let known = TaskType(rawValue: type) {
            try known.schema.check(self)
        } else {
            guard ExecutorSchema.isTypeName(type) else {
                let known = TaskType.allCases.map(\.rawValue).joined(separator: ", ")
                throw DeployError(
                    .unsupported, "task type '\(type.prefix(64))' is not known", hint: "use one of: \(known)")
            }
            guard command.utf8.count <= StatementGuard.maximumBytes else {
                throw DeployError(.tooLarge, "command is over \(StatementGuard.maximumBytes) bytes")
            }
        }
        guard !command.utf8.contains(0) else { throw DeployError(.invalidArgument, "command contains a NUL byte") }
        for (name, value, range) in [
            ("timeout", timeout, 0.001...31_536_000.0), ("grace", grace, 0.0...3600.0),
            ("expires_in", expiresIn, 0.001...31_536_000.0),
        ] {
            if let value, !range.contains(value) {
                throw DeployError(
                    .invalidArgument, "\(name) is not between \(range.lowerBound) and \(range.upperBound) s")
            }
        }
        if let fileID, Identifier<Self>(fileID) == nil {
            throw DeployError(.invalidArgument, "file_id is not 1 to 64 of 0-9 A-Z a-z _ -")
        }
        if let logLimit, logLimit < 1 { throw DeployError(.invalidArgument, "log_limit is not positive") }
        if type == TaskType.shell.rawValue { _ = try ShellParameters(self) }
        if type == TaskType.file.rawValue { _ = try FileParameters(self) }
        if type == TaskType.api.rawValue { _ = try APIParameters(self) }
    }
}
