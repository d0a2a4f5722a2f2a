// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

/// What to do, as the operator asked for it: the same for every task of a run.
public struct TaskSpec: Sendable, Hashable, Codable {
    /// Which executor.
    public var type: String
    /// The command text; for an argument vector, its display form.
    public var command: String
    /// The executor's own parameters; for shell: `argv`, `cwd`, `env`, `user`, `stdin`.
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

    /// The largest command text, in bytes.
    public static let maximumCommandBytes = 16_384

    /// Checks ranges and the executor's parameters; throws `invalid_argument`, `too_large` or `unsupported`.
    public func validate() throws(DeployError) {
        guard TaskType(rawValue: type) != nil else {
            let known = TaskType.allCases.map(\.rawValue).joined(separator: ", ")
            throw DeployError(.unsupported, "task type '\(type.prefix(64))' is not known", hint: "use one of: \(known)")
        }
        guard command.utf8.count <= Self.maximumCommandBytes else {
            throw DeployError(
                .tooLarge, "command is over \(Self.maximumCommandBytes) bytes", hint: "send a script on stdin")
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
        if let logLimit, logLimit < 1 { throw DeployError(.invalidArgument, "log_limit is not positive") }
        _ = try ShellParameters(self)
    }
}

/// The parameters of a shell task, checked.
public struct ShellParameters: Sendable, Equatable {
    /// Program and arguments; nil runs the command text with `/bin/sh -c`.
    public var arguments: [String]?
    /// Absolute working directory; nil for the agent's default.
    public var workingDirectory: String?
    /// Variables added to the task's small base environment.
    public var environment: [String: String]
    /// The account to run as; needs an agent that runs as root.
    public var user: String?
    /// Bytes for standard input; nil closes it at once.
    public var standardInput: [UInt8]?

    /// The largest standard input, in bytes.
    public static let maximumStandardInput = 524_288

    /// Reads and checks a specification's `params`; throws `invalid_argument` naming the parameter.
    public init(_ spec: TaskSpec) throws(DeployError) {
        let known: Set = ["argv", "cwd", "env", "user", "stdin", "stdin_base64"]
        if let unknown = spec.params.keys.sorted().first(where: { !known.contains($0) }) {
            throw DeployError(.invalidArgument, "params.\(unknown.prefix(64)) is not a parameter of shell")
        }
        arguments = try Self.argumentVector(spec.params["argv"])
        if arguments == nil, spec.command.allSatisfy(\.isWhitespace) {
            throw DeployError(.invalidArgument, "command is empty")
        }
        workingDirectory = try Self.text(spec.params["cwd"], "cwd")
        if let directory = workingDirectory, !directory.hasPrefix("/") {
            throw DeployError(.invalidArgument, "params.cwd is not an absolute path")
        }
        user = try Self.text(spec.params["user"], "user")
        environment = try Self.variables(spec.params["env"])
        standardInput = try Self.input(spec.params["stdin"], base64: spec.params["stdin_base64"])
    }

    private static func argumentVector(_ value: JSONValue?) throws(DeployError) -> [String]? {
        guard let value, value != .null else { return nil }
        guard let items = value.arrayValue, !items.isEmpty, items.count <= 4096 else {
            throw DeployError(.invalidArgument, "params.argv is not an array of 1 to 4096 strings")
        }
        var result: [String] = []
        for item in items { result.append(try text(item, "argv") ?? "") }
        guard result.first?.isEmpty == false else {
            throw DeployError(.invalidArgument, "params.argv starts with an empty program")
        }
        return result
    }

    private static func text(_ value: JSONValue?, _ name: String) throws(DeployError) -> String? {
        guard let value, value != .null else { return nil }
        guard let text = value.stringValue, !text.utf8.contains(0) else {
            throw DeployError(.invalidArgument, "params.\(name) is not a string without NUL")
        }
        return text
    }

    private static func variables(_ value: JSONValue?) throws(DeployError) -> [String: String] {
        guard let value, value != .null else { return [:] }
        guard let members = value.objectValue else {
            throw DeployError(.invalidArgument, "params.env is not an object")
        }
        var result: [String: String] = [:]
        for (name, member) in members {
            guard let first = name.utf8.first, !(48...57).contains(first),
                name.utf8.allSatisfy({
                    (48...57).contains($0) || (65...90).contains($0) || (97...122).contains($0) || $0 == 95
                })
            else { throw DeployError(.invalidArgument, "params.env has a bad variable name") }
            result[name] = try text(member, "env.\(name)") ?? ""
        }
        return result
    }

    private static func input(_ plain: JSONValue?, base64: JSONValue?) throws(DeployError) -> [UInt8]? {
        var bytes: [UInt8]?
        if let plain, plain != .null {
            guard let text = plain.stringValue else {
                throw DeployError(.invalidArgument, "params.stdin is not a string")
            }
            bytes = Array(text.utf8)
        } else if let base64, base64 != .null {
            guard let text = base64.stringValue, let decoded = Base64.decode(text) else {
                throw DeployError(.invalidArgument, "params.stdin_base64 is not base64")
            }
            bytes = decoded
        }
        if let bytes, bytes.count > maximumStandardInput {
            throw DeployError(.tooLarge, "stdin is over \(maximumStandardInput) bytes")
        }
        return bytes
    }
}
