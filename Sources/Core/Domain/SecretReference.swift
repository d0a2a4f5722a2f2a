// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

/// The name of a secret that an agent keeps in a file of its own. On the wire it is `{"secret_ref": "NAME"}`; the secret
/// itself never leaves the agent.
public struct SecretReference: Sendable, Hashable {
    /// The file's name in the agent's `secrets.directory`.
    public let name: String

    /// Nil unless the name is 1 to 64 letters, digits, `_`, `-` or `.`, and neither `.` nor `..`.
    public init?(_ name: String) {
        guard (1...64).contains(name.utf8.count), name != ".", name != "..",
            name.utf8.allSatisfy({
                (48...57).contains($0) || (65...90).contains($0) || (97...122).contains($0) || "_.-".utf8.contains($0)
            })
        else { return nil }
        self.name = name
    }

    /// Reads a parameter's value: nil when it is not an object; throws `invalid_argument` for any other object.
    init?(value: JSONValue, of parameter: String) throws(DeployError) {
        guard let members = value.objectValue else { return nil }
        guard members.count == 1, let name = members["secret_ref"]?.stringValue, let reference = Self(name) else {
            throw DeployError(
                .invalidArgument, "params.\(parameter) is not a string or {\"secret_ref\": \"NAME\"}",
                hint: "a name is 1 to 64 letters, digits, _, - or .")
        }
        self = reference
    }

    /// How it is written in `params`.
    public var value: JSONValue { .object(["secret_ref": .string(name)]) }
}

extension TaskSpec {
    /// Every secret its parameters name, however deep.
    public var secretReferences: Set<SecretReference> {
        func references(_ value: JSONValue) -> Set<SecretReference> {
            switch value {
            case .array(let items): return items.reduce(into: []) { $0.formUnion(references($1)) }
            case .object(let members):
                if members.count == 1, let name = members["secret_ref"]?.stringValue, let found = SecretReference(name)
                {
                    return [found]
                }
                return members.values.reduce(into: []) { $0.formUnion(references($1)) }
            case .null, .bool, .integer, .number, .string: return []
            }
        }
        return references(.object(params))
    }
}

/// The value of a variable: given in the task, or kept by the agent.
public enum TaskValue: Sendable, Hashable {
    /// As the operator wrote it.
    case text(String)
    /// Known to the agent alone.
    case secret(SecretReference)

    /// The secret, if it is one.
    public var secret: SecretReference? { if case .secret(let secret) = self { secret } else { nil } }
}

/// What standard input holds: given in the task, or kept by the agent.
public enum TaskInput: Sendable, Hashable {
    /// As the operator sent it.
    case bytes([UInt8])
    /// Known to the agent alone.
    case secret(SecretReference)
}
