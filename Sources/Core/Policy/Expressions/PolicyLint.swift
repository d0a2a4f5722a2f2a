// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

/// Looks for what is valid in a policy and yet rarely meant.
public enum PolicyLint {
    /// Programs that run other programs or write files by their options: to allow one with any arguments is to allow all.
    public static let runners: Set<String> = [
        "ansible", "ash", "at", "awk", "bash", "batch", "busybox", "bwrap", "cargo", "chroot", "chrt", "command",
        "cp", "crontab", "csh", "dash", "dd", "docker", "doas", "ed", "emacs", "env", "eval", "ex", "exec", "find",
        "flock", "gawk", "gdb", "git", "go", "helm", "ionice", "java", "journalctl", "ksh", "kubectl", "less",
        "lua", "make", "man", "mawk", "more", "mysql", "nano", "nawk", "nc", "ncat", "nerdctl", "nice", "node",
        "nohup", "npm", "nsenter", "openssl", "parallel", "perl", "php", "pip", "podman", "psql", "python",
        "python2", "python3", "rsync", "ruby", "runuser", "scp", "screen", "script", "sed", "setpriv", "setsid",
        "sh", "socat", "sort", "split", "sqlite3", "ssh", "stdbuf", "strace", "su", "sudo", "systemd-run", "tar",
        "taskset", "tcpdump", "tclsh", "tee", "time", "timeout", "tmux", "toybox", "unshare", "vi", "view", "vim",
        "watch", "wget", "xargs", "yum", "apt", "apt-get", "zip", "zsh",
    ]

    /// Warnings for people, each naming the expression; none of them makes a policy invalid.
    public static func lint(_ policy: GuardPolicy) -> [String] {
        var warnings: [String] = []
        for (kind, patterns) in [("allow", policy.allow), ("deny", policy.deny)] {
            for (index, pattern) in patterns.enumerated() {
                let name = "\(kind)[\(index)] '\(pattern)'"
                let found = kind == "allow" ? shape(pattern) + programs(pattern) : shape(pattern)
                warnings += found.map { "\(name): \($0)" }
                if patterns[..<index].contains(pattern) { warnings.append("\(name): is listed twice") }
            }
        }
        if policy.mode == .whitelist, policy.allow.isEmpty {
            warnings.append("allow: the list is empty, so nothing may run")
        }
        if policy.mode != .whitelist, !policy.allow.isEmpty {
            warnings.append("allow: has no effect in mode \(policy.mode.rawValue), only in whitelist")
        }
        if policy.hostNamespaces, policy.mode != .whitelist {
            warnings.append("host_namespaces: has no effect in mode \(policy.mode.rawValue), only in whitelist")
        }
        return warnings
    }

    // MARK: Checks

    private static func shape(_ pattern: String) -> [String] {
        var result: [String] = []
        let outline = Outline(pattern)
        if !outline.wide.isEmpty {
            result.append("'\(outline.wide)' matches any arguments; list the characters that are meant: [a-z0-9./-]+")
        }
        if !outline.starts || !outline.ends {
            result.append("has no ^ and $; it must match the whole command all the same: write ^...$ to say so")
        }
        if outline.looseChoice {
            result.append("'|' is outside every group: each side is an expression of its own; write ^(?:a|b) c$")
        }
        if pattern.unicodeScalars.contains(where: { ScalarSet.lineBreaks.contains($0.value) }) {
            result.append("contains a line break, which no command does; in YAML write it on one line")
        }
        return result
    }

    private static func programs(_ pattern: String) -> [String] {
        let tree = try? parsed(pattern)
        guard let tree else { return [] }
        var words: Set<String> = []
        var budget = 4096
        firstWords(tree, [""], &words, &budget)
        return words.sorted().compactMap { word in
            let name = word.split(separator: "/").last.map(String.init) ?? word
            guard runners.contains(name) else { return nil }
            return "'\(name)' can run other programs or write files; name all its arguments, with no free part"
        }
    }

    private static func parsed(_ pattern: String) throws(DeployError) -> ExpressionNode {
        var parser = ExpressionParser(pattern)
        return try parser.parse()
    }

    /// Extends each beginning by what `node` spells; beginnings that reached a blank or the end are moved to `words`.
    private static func firstWords(
        _ node: ExpressionNode, _ beginnings: [String], _ words: inout Set<String>, _ budget: inout Int
    ) {
        let open = spell(node, beginnings, &words, &budget)
        words.formUnion(open)
    }

    private static func spell(
        _ node: ExpressionNode, _ beginnings: [String], _ words: inout Set<String>, _ budget: inout Int
    ) -> [String] {
        budget -= beginnings.count
        guard budget > 0, !beginnings.isEmpty else { return [] }
        switch node {
        case .empty, .assertion: return beginnings
        case .scalars(let set):
            if set.contains(0x20) { words.formUnion(beginnings) }
            let size = set.ranges.reduce(0) { $0 + $1.count }
            guard size <= 4 else { return [] }
            let scalars = set.ranges.flatMap { Array($0) }.compactMap(Unicode.Scalar.init).filter { $0 != " " }
            return beginnings.flatMap { beginning in scalars.map { beginning + String(Character($0)) } }
        case .sequence(let nodes):
            return nodes.reduce(beginnings) { spell($1, $0, &words, &budget) }
        case .choice(let nodes):
            return nodes.flatMap { spell($0, beginnings, &words, &budget) }
        case .repeated(let node, let minimum, _):
            let once = spell(node, beginnings, &words, &budget)
            return minimum == 0 ? beginnings + once : once
        }
    }
}

/// What can be seen of an expression without reading it as a tree.
private struct Outline {
    var wide = ""
    var starts = false
    var ends = false
    var looseChoice = false

    init(_ pattern: String) {
        let scalars = Array(pattern.unicodeScalars)
        starts = scalars.first == "^"
        var depth = 0
        var bracket = -1
        var index = 0
        while index < scalars.count {
            let scalar = scalars[index]
            defer { index += 1 }
            if scalar == "\\" {
                index += 1
                continue
            }
            if bracket >= 0 {
                let first = index == bracket + 1 || (index == bracket + 2 && scalars[bracket + 1] == "^")
                if scalar == "]", !first { bracket = -1 }
                continue
            }
            switch scalar {
            case "[": bracket = index
            case "(": depth += 1
            case ")": depth -= 1
            case "|": if depth == 0 { looseChoice = true }
            case "$": if index == scalars.count - 1 { ends = true }
            case ".":
                guard index + 1 < scalars.count else { continue }
                if scalars[index + 1] == "*" || scalars[index + 1] == "+" { wide = ".\(scalars[index + 1])" }
            default: break
            }
        }
    }
}
