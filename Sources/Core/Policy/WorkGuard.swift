// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

/// Judges tasks that are neither shell commands nor statements of a language: by what they do, in one canonical line.
enum WorkGuard {
    /// The most lines of a command: each is held against every expression.
    static let maximumLines = 1000

    /// What the lists say about `TYPE COMMAND`, line by line: in `whitelist` mode an expression must match each whole; in
    /// the others nothing may object.
    static func judge(
        _ spec: TaskSpec, allow: [GuardExpression], deny: [GuardExpression], mode: GuardMode
    ) -> GuardVerdict {
        guard ExecutorSchema.isTypeName(spec.type) else {
            return GuardVerdict(
                .deny, rule: "type", message: "there are no rules for tasks of type '\(spec.type.prefix(64))'",
                mode: mode)
        }
        switch TaskType(rawValue: spec.type) {
        case .file: return file(spec, allow: allow, deny: deny, mode: mode)
        case .api:
            do throws(DeployError) {
                return lists(try APIParameters(spec).canonicalLines, allow: allow, deny: deny, mode: mode)
            } catch {
                return GuardVerdict(.deny, rule: "request", message: error.message, mode: mode)
            }
        default:
            let lines = canonical(spec)
            guard lines.count <= maximumLines else {
                return GuardVerdict(
                    .deny, rule: "lines", message: "the command is over \(maximumLines) lines; send it in parts",
                    mode: mode)
            }
            return lists(lines, allow: allow, deny: deny, mode: mode)
        }
    }

    private static func file(
        _ spec: TaskSpec, allow: [GuardExpression], deny: [GuardExpression], mode: GuardMode
    ) -> GuardVerdict {
        do throws(DeployError) {
            let file = try FileParameters(spec)
            if let found = FileRules.finding(file) {
                return GuardVerdict(
                    .deny, rule: found.rule, message: found.message, commands: FileRules.lines(file), mode: mode)
            }
            return lists(FileRules.lines(file), allow: allow, deny: deny, mode: mode)
        } catch {
            return GuardVerdict(.deny, rule: "file.syntax", message: error.message, mode: mode)
        }
    }

    /// What the lists say about canonical lines.
    static func lists(
        _ lines: [String], allow: [GuardExpression], deny: [GuardExpression], mode: GuardMode
    ) -> GuardVerdict {
        for line in lines {
            if let index = deny.firstIndex(where: { $0.matchesWhole(line) }) {
                return GuardVerdict(
                    .deny, rule: "deny[\(index)]", message: "matches deny[\(index)] '\(deny[index].pattern)'",
                    commands: lines, mode: mode)
            }
        }
        if mode == .whitelist, let line = lines.first(where: { line in !allow.contains { $0.matchesWhole(line) } }) {
            return GuardVerdict(
                .deny, rule: "whitelist", message: "no expression of allow matches: \(line.prefix(200))",
                commands: lines, mode: mode)
        }
        return GuardVerdict(.allow, rule: "none", message: "nothing objects", commands: lines, mode: mode)
    }

    /// One line for each of the command that is not blank: a second line must not hide behind the first.
    private static func canonical(_ spec: TaskSpec) -> [String] {
        let lines = spec.command.split(whereSeparator: \.isNewline).map { line in
            ([spec.type] + line.split(whereSeparator: \.isWhitespace).map(String.init)).joined(separator: " ")
        }.filter { $0 != spec.type }
        return lines.isEmpty ? [spec.type] : lines
    }
}
