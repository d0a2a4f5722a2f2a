// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

/// Options with which a program runs another, refused where only plain commands are let through. The list helps against
/// mistakes; it can never be complete.
enum RunnerRules {
    /// Words or beginnings of words that make a program run others.
    private static let words: [String: [String]] = [
        "tar": [
            "--checkpoint-action", "--to-command", "--use-compress-program", "-I", "--info-script",
            "--new-volume-script",
            "-F", "--rsh-command", "--rmt-command",
        ],
        "bsdtar": ["--use-compress-program"],
        "rsync": ["-e", "--rsh", "--rsync-path"],
        "scp": ["-S", "-oProxyCommand", "-oLocalCommand"], "sftp": ["-S", "-oProxyCommand", "-oLocalCommand"],
        "zip": ["-TT", "--unzip-command"], "tcpdump": ["-z"], "man": ["-P", "--pager", "-H", "--html"],
        "less": ["+!"], "nc": ["-e", "-c", "--exec", "--sh-exec"],
        "ncat": ["-e", "-c", "--exec", "--sh-exec", "--lua-exec"],
        "netcat": ["-e", "-c"], "socat": ["EXEC:", "SYSTEM:", "exec:", "system:", "SHELL:", "shell:"],
        "gdb": ["-ex", "-x", "-eval-command", "--eval-command", "-iex", "--command"], "nmap": ["--script"],
        "sort": ["--compress-program"], "split": ["--filter"], "xterm": ["-e"], "openssl": ["-engine"],
        "wget": ["--use-askpass", "--post-file"], "ctags": ["--filter-terminator"], "mount": ["-i"],
        "dpkg": ["--pre-invoke", "--post-invoke"], "apt": ["-o", "--option"], "apt-get": ["-o", "--option"],
        "rpm": ["--eval", "-E", "--define", "--pipe"], "yum": ["--setopt"], "crontab": ["-e"],
        "journalctl": ["--pager"],
        "go": ["-exec", "-toolexec"], "ansible-playbook": ["--ssh-common-args", "--ssh-extra-args"],
        "pg_dump": ["--rsh"],
        "date": [], "mail": ["!"], "logrotate": [], "tee": [], "iptables": ["--modprobe"], "ip6tables": ["--modprobe"],
        "sqlite3": [".shell", ".system", "-cmd"], "ld": ["-plugin"], "gcc": ["-wrapper"], "dmesg": [],
        "puppet": ["apply"],
    ]
    private static let editors: Set<String> = [
        "vi", "vim", "view", "nvim", "vimdiff", "gvim", "rvim", "ex", "ed", "emacs", "nano", "pico", "joe", "mcedit",
    ]
    private static let gitKeys = [
        "core.pager", "core.sshcommand", "core.editor", "core.fsmonitor", "core.hookspath", "core.askpass",
        "core.gitproxy", "alias.", "credential.", "diff.", "merge.", "filter.", "gpg.", "pager.", "sequence.editor",
        "uploadpack.", "remote.", "protocol.", "ssh.", "difftool.", "mergetool.", "browser.", "web.browser", "man.",
        "include", "interactive.", "trailer.", "http.proxy", "sendemail.",
    ]

    static func finding(_ name: String, _ arguments: ArraySlice<ShellArgument>, at position: Int?) -> ShellFinding? {
        let isRunner: Bool
        switch name {
        case "git": isRunner = git(arguments)
        case "ssh", "slogin", "autossh", "scp", "sftp":
            isRunner =
                arguments.contains { argument in
                    let text = argument.text.lowercased().drop { $0 == "-" || $0 == "o" || $0 == " " }
                    return ["proxycommand", "localcommand", "knownhostscommand", "permitlocalcommand", "include"]
                        .contains {
                            text.hasPrefix($0) || text.hasPrefix($0.dropFirst())
                        }
                } || matches(words[name] ?? [], arguments)
        case "sed", "gsed", "ssed": isRunner = SedProgram.runsCommands(arguments)
        case "mysql", "mariadb", "psql", "sqlite3":
            isRunner =
                arguments.contains {
                    $0.text.contains("\\!") || $0.text.hasPrefix("system ") || $0.text.contains("; system ")
                }
                || matches(words[name] ?? [], arguments)
        default:
            if editors.contains(name) {
                isRunner = arguments.contains {
                    $0.text.hasPrefix("+") || $0.text.contains("!") || $0.text.contains("system(")
                        || ["-S", "-s", "--eval", "-f"].contains($0.text)
                }
            } else {
                isRunner = matches(words[name] ?? [], arguments)
            }
        }
        guard isRunner else { return nil }
        return ShellFinding("V6", "\(name) is told to run another program", at: position)
    }

    private static func matches(_ words: [String], _ arguments: ArraySlice<ShellArgument>) -> Bool {
        arguments.contains { argument in
            words.contains { word in
                if argument.text == word { return true }
                if word.hasPrefix("--") {
                    let name = argument.text.prefix { $0 != "=" }
                    return name.count > 4 && word.hasPrefix(name)
                }
                return argument.text.hasPrefix(word)
            }
        }
    }

    private static func git(_ arguments: ArraySlice<ShellArgument>) -> Bool {
        var previous = ""
        for argument in arguments {
            let text = argument.text
            defer { previous = text }
            if previous == "-c" || text.hasPrefix("--config-env=") || previous == "--config-env" {
                let key = text.replacing("--config-env=", with: "").lowercased()
                if gitKeys.contains(where: { key.hasPrefix($0) }) { return true }
            }
            if text.hasPrefix("ext::") || text.hasPrefix("--exec") || text.hasPrefix("--upload-pack")
                || text.hasPrefix("--receive-pack") || text.hasPrefix("--open-files-in-pager")
                || text.hasPrefix("--extcmd")
            {
                return true
            }
            if previous == "bisect" && text == "run" || previous == "submodule" && text == "foreach" { return true }
            if text == "filter-branch" || previous == "rebase" && text == "-x"
                || previous == "grep" && text.hasPrefix("-O")
            {
                return true
            }
        }
        return false
    }
}

/// Looks for the `e` of GNU sed, which runs a command, and for its writing of files.
enum SedProgram {
    static func runsCommands(_ arguments: ArraySlice<ShellArgument>) -> Bool {
        let options = CommandOptions(
            arguments,
            OptionSpecification(letters: "efl", attached: "iE", long: ["expression", "file", "line-length"]),
            inOrder: false)
        var programs = options.values(["-e", "--expression"])
        if programs.isEmpty, options.values(["-f", "--file"]).isEmpty { programs += options.operands.prefix(1) }
        return programs.contains { runsCommands(Array($0.knownText.utf8)) }
    }

    private static func runsCommands(_ bytes: [UInt8]) -> Bool {
        var at = 0
        while at < bytes.count {
            let byte = bytes[at]
            at += 1
            switch byte {
            case UInt8(ascii: "/"): skip(bytes, &at, to: byte)
            case UInt8(ascii: "\\"):
                guard at < bytes.count else { return false }
                let delimiter = bytes[at]
                at += 1
                skip(bytes, &at, to: delimiter)
            case UInt8(ascii: "e"): return true
            case UInt8(ascii: "s"), UInt8(ascii: "y"):
                guard at < bytes.count else { return false }
                let delimiter = bytes[at]
                at += 1
                skip(bytes, &at, to: delimiter)
                skip(bytes, &at, to: delimiter)
                while at < bytes.count, !";}\n #".utf8.contains(bytes[at]) {
                    if byte == UInt8(ascii: "s"), bytes[at] == UInt8(ascii: "e") { return true }
                    if bytes[at] == UInt8(ascii: "w") { skipLine(bytes, &at) } else { at += 1 }
                }
            case UInt8(ascii: "a"), UInt8(ascii: "i"), UInt8(ascii: "c"), UInt8(ascii: "b"), UInt8(ascii: "t"),
                UInt8(ascii: "T"), UInt8(ascii: ":"), UInt8(ascii: "r"), UInt8(ascii: "R"), UInt8(ascii: "w"),
                UInt8(ascii: "W"), UInt8(ascii: "#"):
                let endsAtSemicolon = "btT:".utf8.contains(byte)
                while at < bytes.count, bytes[at] != UInt8(ascii: "\n"),
                    !(endsAtSemicolon && ";}".utf8.contains(bytes[at]))
                {
                    at += bytes[at] == UInt8(ascii: "\\") ? 2 : 1
                }
            default: continue
            }
        }
        return false
    }

    private static func skip(_ bytes: [UInt8], _ at: inout Int, to delimiter: UInt8) {
        while at < bytes.count, bytes[at] != delimiter { at += bytes[at] == UInt8(ascii: "\\") ? 2 : 1 }
        at += 1
    }

    private static func skipLine(_ bytes: [UInt8], _ at: inout Int) {
        while at < bytes.count, bytes[at] != UInt8(ascii: "\n") { at += 1 }
    }
}
