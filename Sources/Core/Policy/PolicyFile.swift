// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Yams

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// Policies as YAML files; see tiangong-policy(5).
public enum PolicyFile {
    /// The largest file, in bytes.
    public static let maximumBytes = 262_144

    /// Reads a policy and compiles each of its expressions.
    ///
    /// Throws `invalid_argument` or `too_large`, naming the line and what is wrong with it.
    public static func parse(_ text: String) throws(DeployError) -> GuardPolicy {
        guard text.utf8.count <= maximumBytes else {
            throw DeployError(.tooLarge, "policy is over \(maximumBytes) bytes")
        }
        let unix =
            text.contains("\r\n")
            ? text.split(separator: "\r\n", omittingEmptySubsequences: false).joined(separator: "\n") : text
        try PolicyText.checkCharacters(unix)
        try PolicyText.check(unix)
        // Nodes hold their anchors weakly: the parser has to live as long as they are looked at.
        let parser: Parser
        let root: Node?
        do {
            parser = try Parser(yaml: unix, encoding: .utf8)
            root = try parser.singleRoot()
        } catch {
            throw failure(error)
        }
        let policy = try withExtendedLifetime(parser) { () throws(DeployError) in try read(root) }
        return policy
    }

    /// Reads a policy file that nobody but its owner, who is root or this account, can write.
    ///
    /// Throws `not_found`, `forbidden`, `too_large` or `invalid_argument`; all of them name the file.
    public static func load(path: String) throws(DeployError) -> GuardPolicy {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)
        guard descriptor >= 0 else {
            let code: ErrorCode = errno == ENOENT || errno == ENOTDIR ? .notFound : .forbidden
            throw DeployError(code, "\(path) cannot be read: \(String(cString: strerror(errno)))")
        }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            throw DeployError(.invalidArgument, "\(path) is not a regular file")
        }
        guard status.st_uid == 0 || status.st_uid == geteuid() else {
            throw DeployError(.forbidden, "\(path) belongs to another account", hint: "chown root \(path)")
        }
        guard status.st_mode & 0o022 == 0 else {
            throw DeployError(.forbidden, "\(path) can be written by others", hint: "chmod go-w \(path)")
        }
        let bytes = try contents(descriptor, path)
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw DeployError(.invalidArgument, "\(path) is not valid UTF-8")
        }
        do {
            return try parse(text)
        } catch {
            throw DeployError(error.code, "\(path): \(error.message)", hint: error.hint)
        }
    }

    /// The policy as a file for people; ``parse(_:)`` reads it back.
    public static func text(_ policy: GuardPolicy) -> String {
        var lines = ["mode: \(policy.mode.rawValue)"]
        for (key, list) in [("allow", policy.allow), ("deny", policy.deny), ("statements", policy.statements)] {
            lines.append(list.isEmpty ? "\(key): []" : "\(key):")
            lines += list.map { "  - \(quote($0))" }
        }
        lines.append("host_namespaces: \(policy.hostNamespaces)")
        return lines.joined(separator: "\n") + "\n"
    }

    // MARK: Reading

    private static func contents(_ descriptor: Int32, _ path: String) throws(DeployError) -> [UInt8] {
        var result: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = buffer.withUnsafeMutableBytes { Glibc.read(descriptor, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else {
                throw DeployError(.forbidden, "\(path) cannot be read: \(String(cString: strerror(errno)))")
            }
            if count == 0 { return result }
            result += buffer[..<count]
            guard result.count <= maximumBytes else {
                throw DeployError(.tooLarge, "\(path) is over \(maximumBytes) bytes")
            }
        }
    }

    private static func read(_ root: Node?) throws(DeployError) -> GuardPolicy {
        guard let root, root != Node("", Tag(.null)) else { throw empty }
        guard case .mapping(let mapping) = root else {
            if root.any is String {
                throw PolicyText.failure(line(root), "is not a list of keys", "start with mode: no-injection")
            }
            guard case .scalar = root else {
                throw PolicyText.failure(line(root), "is not a list of keys", "start with mode: no-injection")
            }
            throw empty
        }
        var policy = GuardPolicy(mode: .whitelist)
        var mode: GuardMode?
        var seen: Set<String> = []
        for (key, value) in mapping {
            let name = key.scalar?.string ?? ""
            guard key.anchor == nil, let known = GuardPolicy.CodingKeys(rawValue: name) else {
                let all = GuardPolicy.CodingKeys.allCases.map(\.rawValue).joined(separator: ", ")
                throw PolicyText.failure(line(key), "unknown key '\(name.prefix(64))'", "the keys are \(all)")
            }
            guard seen.insert(name).inserted else {
                throw PolicyText.failure(line(key), "'\(name)' is given twice", "merge the two")
            }
            switch known {
            case .mode:
                let all = GuardMode.allCases.map(\.rawValue).joined(separator: ", ")
                guard let word = value.scalar?.string, let found = GuardMode(rawValue: word) else {
                    throw PolicyText.failure(line(value), "mode is not one of \(all)")
                }
                mode = found
            case .allow: policy.allow = try expressions(value, name)
            case .deny: policy.deny = try expressions(value, name)
            case .statements: policy.statements = try rules(value, name)
            case .hostNamespaces:
                guard let word = value.scalar, word.style == .plain, let flag = Bool(word.string) else {
                    throw PolicyText.failure(line(value), "host_namespaces is not true or false")
                }
                policy.hostNamespaces = flag
            }
        }
        guard let mode else {
            throw DeployError(.invalidArgument, "policy: mode is missing", hint: "mode: no-injection")
        }
        policy.mode = mode
        guard policy.allow.count + policy.deny.count <= GuardPolicy.maximumExpressions else {
            throw DeployError(.tooLarge, "policy has over \(GuardPolicy.maximumExpressions) expressions")
        }
        return policy
    }

    private static func strings(_ node: Node, _ name: String) throws(DeployError) -> [(text: String, line: Int)] {
        guard case .sequence(let items) = node else {
            throw PolicyText.failure(line(node), "\(name) is not a list", "write \(name): [] for an empty one")
        }
        var result: [(text: String, line: Int)] = []
        for (index, item) in items.enumerated() {
            guard case .scalar(let scalar) = item, item.anchor == nil, item.any is String else {
                throw PolicyText.failure(line(item), "\(name)[\(index)] is not a text", "write it in single quotes")
            }
            result.append((scalar.string, line(item)))
        }
        return result
    }

    private static func rules(_ node: Node, _ name: String) throws(DeployError) -> [String] {
        var result: [String] = []
        for (index, item) in try strings(node, name).enumerated() {
            guard let rule = StatementRule.named(item.text) else {
                throw PolicyText.failure(
                    item.line, "\(name)[\(index)]: there is no rule '\(item.text.prefix(64))'",
                    "the rules are listed in tiangong-policy(5)")
            }
            guard rule.liftable else {
                throw PolicyText.failure(item.line, "\(name)[\(index)]: the rule \(rule.id) cannot be lifted")
            }
            result.append(rule.id)
        }
        return result
    }

    private static func expressions(_ node: Node, _ name: String) throws(DeployError) -> [String] {
        var result: [String] = []
        for (index, item) in try strings(node, name).enumerated() {
            guard index < GuardPolicy.maximumExpressions else {
                throw DeployError(.tooLarge, "policy has over \(GuardPolicy.maximumExpressions) expressions")
            }
            do {
                _ = try GuardExpression(item.text)
            } catch {
                throw DeployError(
                    error.code, "policy, line \(item.line): \(name)[\(index)]: \(error.message)", hint: error.hint)
            }
            result.append(item.text)
        }
        return result
    }

    private static var empty: DeployError {
        DeployError(
            .invalidArgument, "policy is empty", hint: "write at least mode: whitelist, which denies everything")
    }

    private static func line(_ node: Node) -> Int { node.mark?.line ?? 1 }

    private static func failure(_ error: any Error) -> DeployError {
        switch error as? YamlError {
        case .scanner(_, let problem, let mark, _), .parser(_, let problem, let mark, _),
            .composer(_, let problem, let mark, _):
            return PolicyText.failure(mark.line, "is not valid YAML: \(problem)")
        case .duplicatedKeysInMapping(let names, let context):
            return PolicyText.failure(
                context.mark.line, "'\(names.first?.prefix(64) ?? "")' is given twice", "merge the two")
        default: return DeployError(.invalidArgument, "policy is not valid YAML")
        }
    }

    // MARK: Writing

    private static func quote(_ text: String) -> String {
        let plain = text.unicodeScalars.allSatisfy {
            (0x20...0x7E).contains($0.value) || $0.value > 0xA0 && !special($0)
        }
        if plain {
            return "'" + text.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "''") + "'"
        }
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"", "\\": result += "\\\(scalar)"
            case _ where (0x20...0x7E).contains(scalar.value) || (scalar.value > 0xA0 && !special(scalar)):
                result.unicodeScalars.append(scalar)
            default:
                let digits = String(scalar.value, radix: 16, uppercase: true)
                result += "\\U" + String(repeating: "0", count: 8 - digits.count) + digits
            }
        }
        return result + "\""
    }

    private static func special(_ scalar: Unicode.Scalar) -> Bool {
        [0x2028, 0x2029, 0xFEFF, 0xFFFE, 0xFFFF].contains(scalar.value)
    }
}
