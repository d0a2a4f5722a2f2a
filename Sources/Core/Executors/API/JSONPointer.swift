// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

/// A place in a JSON text, as RFC 6901 writes it: `/items/0/name`; the empty pointer is the whole.
public struct JSONPointer: Sendable, Hashable, CustomStringConvertible {
    /// As it was written.
    public let description: String
    private let keys: [String]

    /// Throws `invalid_argument` for what is not empty and does not begin with a slash, or has a `~` that escapes nothing.
    public init(_ text: String) throws(DeployError) {
        description = text
        guard !text.isEmpty else {
            keys = []
            return
        }
        guard text.hasPrefix("/") else {
            throw DeployError(
                .invalidArgument, "'\(text.prefix(64))' is not a JSON pointer", hint: "write it like /items/0/name")
        }
        var keys: [String] = []
        for part in text.dropFirst().split(separator: "/", omittingEmptySubsequences: false) {
            let rest = part.replacing("~0", with: "").replacing("~1", with: "")
            guard !rest.contains("~") else {
                throw DeployError(
                    .invalidArgument, "'\(text.prefix(64))' has a ~ that is neither ~0 nor ~1",
                    hint: "in a JSON pointer ~ is written ~0, and / in a key ~1")
            }
            keys.append(String(part.replacing("~1", with: "/").replacing("~0", with: "~")))
        }
        self.keys = keys
    }

    /// What stands there; nil when nothing does.
    public func value(in root: JSONValue) -> JSONValue? {
        var value = root
        for key in keys {
            switch value {
            case .object(let members):
                guard let member = members[key] else { return nil }
                value = member
            case .array(let items):
                guard let index = Self.index(key), index < items.count else { return nil }
                value = items[index]
            default: return nil
            }
        }
        return value
    }

    private static func index(_ text: String) -> Int? {
        guard text == "0" || !text.hasPrefix("0"), text.utf8.allSatisfy({ (48...57).contains($0) }) else { return nil }
        return Int(text)
    }
}
