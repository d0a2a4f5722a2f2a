// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

/// The parameters of a shell task, checked.
public struct ShellParameters: Sendable, Equatable {
    /// Program and arguments; nil runs the command text with `/bin/sh -c`.
    public var arguments: [String]?
    /// Absolute working directory; nil for the agent's default.
    public var workingDirectory: String?
    /// Variables added to the task's small base environment.
    public var environment: [String: TaskValue]
    /// The account to run as; needs an agent that runs as root.
    public var user: String?
    /// What standard input holds; nil closes it at once.
    public var standardInput: TaskInput?
    /// Whether it runs in the namespaces of the agent's host instead of the agent's own.
    public var hostNamespaces: Bool

    /// The largest standard input, in bytes.
    public static let maximumStandardInput = 524_288

    /// Reads and checks a specification's `params`; throws `invalid_argument` naming the parameter.
    public init(_ spec: TaskSpec) throws(DeployError) {
        let known: Set = ["argv", "cwd", "env", "user", "stdin", "stdin_base64", "host_namespaces"]
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
        user = try Self.account(spec.params["user"])
        environment = try Self.variables(spec.params["env"])
        standardInput = try Self.input(spec.params["stdin"], base64: spec.params["stdin_base64"])
        switch spec.params["host_namespaces"] {
        case nil, .null: hostNamespaces = false
        case .bool(let value): hostNamespaces = value
        default: throw DeployError(.invalidArgument, "params.host_namespaces is not true or false")
        }
        guard !hostNamespaces || user == nil else {
            throw DeployError(
                .invalidArgument, "params.user and params.host_namespaces are given together",
                hint: "accounts of the agent's namespaces mean nothing in the host's")
        }
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

    /// An account's name as `useradd` makes them: nothing that a shell or an option parser could read otherwise.
    private static func account(_ value: JSONValue?) throws(DeployError) -> String? {
        guard let name = try text(value, "user") else { return nil }
        guard (1...64).contains(name.utf8.count), let first = name.utf8.first, first != UInt8(ascii: "-"),
            first != UInt8(ascii: "."),
            name.utf8.allSatisfy({
                (48...57).contains($0) || (65...90).contains($0) || (97...122).contains($0) || "_.-@".utf8.contains($0)
            })
        else {
            throw DeployError(
                .invalidArgument, "params.user is not an account name", hint: "1 to 64 of A-Z a-z 0-9 _ . - @")
        }
        return name
    }

    private static func variables(_ value: JSONValue?) throws(DeployError) -> [String: TaskValue] {
        guard let value, value != .null else { return [:] }
        guard let members = value.objectValue else {
            throw DeployError(.invalidArgument, "params.env is not an object")
        }
        var result: [String: TaskValue] = [:]
        for (name, member) in members {
            guard let first = name.utf8.first, !(48...57).contains(first),
                name.utf8.allSatisfy({
                    (48...57).contains($0) || (65...90).contains($0) || (97...122).contains($0) || $0 == 95
                })
            else { throw DeployError(.invalidArgument, "params.env has a bad variable name") }
            if let secret = try SecretReference(value: member, of: "env.\(name)") {
                result[name] = .secret(secret)
            } else {
                result[name] = .text(try text(member, "env.\(name)") ?? "")
            }
        }
        return result
    }

    private static func input(_ plain: JSONValue?, base64: JSONValue?) throws(DeployError) -> TaskInput? {
        if let plain, let secret = try SecretReference(value: plain, of: "stdin") { return .secret(secret) }
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
        return bytes.map { .bytes($0) }
    }
}
