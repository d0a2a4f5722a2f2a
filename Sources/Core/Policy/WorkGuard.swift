// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

/// Judges tasks that are neither shell commands nor statements of a language: by what they do, in one canonical line.
enum WorkGuard {
    /// What the lists say about `TYPE COMMAND`: in `whitelist` mode an expression must match it whole; in the others
    /// nothing may object.
    static func judge(
        _ spec: TaskSpec, allow: [GuardExpression], deny: [GuardExpression], mode: GuardMode
    ) -> GuardVerdict {
        guard ExecutorSchema.isTypeName(spec.type) else {
            return GuardVerdict(
                .deny, rule: "type", message: "there are no rules for tasks of type '\(spec.type.prefix(64))'",
                mode: mode)
        }
        guard spec.type == TaskType.file.rawValue else {
            return lists([canonical(spec)], allow: allow, deny: deny, mode: mode)
        }
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

    private static func canonical(_ spec: TaskSpec) -> String {
        ([spec.type] + spec.command.split(whereSeparator: \.isWhitespace).map(String.init)).joined(separator: " ")
    }
}
