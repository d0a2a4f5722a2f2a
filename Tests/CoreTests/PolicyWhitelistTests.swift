// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Testing

/// Whitelist mode, the policy's own refusals, and argument vectors.
@Suite struct PolicyWhitelistTests {
    static let list = [
        "ls( .*)?", "^df -h$", "systemctl (status|restart) [a-z0-9@._-]+", "grep [a-z]+", "echo .*", "sudo id",
        "/opt/app/bin/[a-z-]+[.]sh( --[a-z]+)*", "sh -c 'uptime'", "sh -c uptime", "python3 .*", "tee /tmp/[a-z]+",
    ]

    @Test(arguments: [
        "ls", "ls -la /var/log", "  ls   -la  ", "df -h", "systemctl status redis@6379.service", "ls | grep x",
        "ls | grep a | grep b", "echo 你好", "echo 'a b'", "echo \"a;b\"", "'ls' -l", "l\\s", "ls 2>&1",
        "ls >/dev/null", "ls > /dev/null 2>&1", "ls 2>/dev/null", "ls </dev/null",
        "/opt/app/bin/health-check.sh --full",
        "sudo id", "sh -c uptime", "sh -c 'uptime'", "ls *.log", "python3 /opt/x.py", "echo x | tee /tmp/a",
    ])
    func `what is listed runs`(command: String) {
        Judged(command, .whitelist, allow: Self.list).isAllowed()
    }

    @Test(arguments: [
        "id", "LS", "xls", "lsx", "df -h /", "df", "df  -k", "ls | wc", "./ls", "/bin/ls", "env ls", "sudo ls",
        "nohup ls",
        "command ls", "ls > /tmp/x", "ls >> /tmp/x", "ls &> /tmp/x", "ls < /etc/passwd", "A=1 ls", "A=1", "echo $HOME",
        "echo ${X}", "echo \"$X\"", "echo ~", "echo {a,b}", "systemctl restart a b", "systemctl stop a",
        "echo 'a\nb'", "ls | tee /tmp/a1", "sudo id x", "> /dev/null", "uptime", "sh -c ls",
    ])
    func `what is not listed does not`(command: String) {
        Judged(command, .whitelist, allow: Self.list).isRefused(by: "whitelist")
    }

    @Test(arguments: [
        ("ls; id", "V2"), ("ls && df -h", "V2"), ("ls & id", "V2"), ("ls `id`", "V2"), ("echo \"$(id)\"", "V2"),
        ("ls\nls", "V2"), ("echo a\u{202e}", "V0"), ("l?", "V4"), ("echo x | bash", "D8"), ("ls | sh", "D8"),
        ("python3 -c 'print(1)'", "V6"), ("systemctl reboot", "D2"), ("LD_PRELOAD=x ls", "V3"),
        ("echo 'a", "V1"), ("echo x | tee /etc/passwd", "D7"),
    ])
    func `other rules hold as well`(command: String, rule: String) {
        Judged(command, .whitelist, allow: Self.list).isRefused(by: rule)
    }

    @Test func `an empty list allows nothing`() { Judged("ls", .whitelist).isRefused(by: "whitelist") }

    @Test(arguments: ["reboot", "rm -rf /", "mkfs.ext4 /dev/sda", "chmod -R 777 /", "kill -9 -1", "sudo halt"])
    func `no list allows what D-rules refuse`(command: String) {
        #expect(Judged(command, .whitelist, allow: [".*"]).verdict.rule.hasPrefix("D"))
    }

    @Test func `a policy can refuse more`() {
        let deny = ["git push .*", "kubectl delete .*", "rm .*"]
        for command in [
            "git push -f", "sudo git push x", "/usr/bin/git push x", "ls; kubectl delete pod x", "sh -c 'rm x'",
        ] {
            #expect(Judged(command, .blacklistDefault, deny: deny).verdict.rule.hasPrefix("deny["))
        }
        Judged("git push -f", .blacklistDefault, deny: deny).isRefused(by: "deny[0]")
        Judged("git pull", .blacklistDefault, deny: deny).isAllowed()
        Judged("echo git push x", .blacklistDefault, deny: deny).isAllowed()
    }

    @Test func `audit says what it would refuse, and refuses nothing`() {
        let verdict = Judged("reboot", .audit).verdict
        #expect(verdict.verdict == .deny && verdict.rule == "D2" && !verdict.isRefusal)
        Judged("ls; id", .audit).isAllowed()
    }

    // Argument vectors

    @Test(arguments: [
        ["echo", "a; reboot"], ["echo", "$(reboot)"], ["grep", "a\nb", "f"], ["echo", "`id`", "&&", "|", "$X"],
        ["ls", "*"], ["echo", "a\u{202e}"], ["rm", "-rf", "/tmp/x"], ["find", ".", "-name", "*.c"], ["echo", ""],
        ["rm", "-rf", "$HOME"], ["rm", "-rf", "/tmp/*"],
    ])
    func `an argument is data`(arguments: [String]) {
        Judged(arguments, .noInjection).isAllowed()
        Judged(arguments, .blacklistDefault).isAllowed()
    }

    @Test(arguments: [
        (["rm", "-rf", "/"], "D1"), (["sudo", "rm", "-rf", "/etc"], "D1"), (["reboot"], "D2"),
        (["sh", "-c", "reboot"], "D2"),
        (["dd", "of=/dev/sda"], "D3"), (["env", "LD_PRELOAD=x", "ls"], "V3"), (["sh", "-c", "ls; id"], "V2"),
        (["tee", "/etc/passwd"], "D7"), (["xargs", "sh"], "D8"), (["réboot"], "V4"), ([], "V0"), ([""], "V0"),
        (["python3", "-c", "import os; os.system('reboot')"], "D9"),
    ])
    func `what an argument vector does is judged`(arguments: [String], rule: String) {
        Judged(arguments, .noInjection).isRefused(by: rule)
    }

    @Test func `a list names argument vectors as well`() {
        Judged(["ls", "-l"], .whitelist, allow: ["ls -l"]).isAllowed()
        Judged(["ls", "-a"], .whitelist, allow: ["ls -l"]).isRefused(by: "whitelist")
        Judged(["ls", "a\nb"], .whitelist, allow: ["ls .*"]).isRefused(by: "whitelist")
    }

    // Tasks

    private func judge(_ command: String, _ params: [String: JSONValue]) throws -> GuardVerdict {
        try judge(command, .blacklistDefault, params)
    }

    private func judge(_ command: String, _ mode: GuardMode, _ params: [String: JSONValue]) throws -> GuardVerdict {
        try CommandGuard(GuardPolicy(mode: mode)).judge(TaskSpec(command: command, params: params))
    }

    @Test func `the directory and the input of a task count`() throws {
        #expect(try judge("rm -rf *", ["cwd": .string("/")]).rule == "D1")
        #expect(try judge("rm -rf *", ["cwd": .string("/opt/app")]).verdict == .allow)
        #expect(try judge("sh", ["stdin": .string("ls\nreboot\n")]).rule == "D2")
        #expect(try judge("sh", ["stdin": .string("ls\nuptime\n")]).verdict == .allow)
        #expect(try judge("sh", .noInjection, ["stdin": .string("ls\nuptime\n")]).rule == "V2")
        #expect(try judge("sh", ["stdin": .object(["secret_ref": .string("x")])]).rule == "D8")
        #expect(try judge("cat", ["stdin": .string("reboot")]).verdict == .allow)
        #expect(try judge("x", ["argv": .array([.string("bash")]), "stdin_base64": .string("cmVib290")]).rule == "D2")
    }

    @Test func `the variables of a task count`() throws {
        #expect(try judge("ls", ["env": .object(["LD_PRELOAD": .string("/x")])]).rule == "V3")
        #expect(try judge("ls", .noInjection, ["env": .object(["PYTHONPATH": .string("/x")])]).rule == "V3")
        #expect(try judge("ls", ["env": .object(["LANG": .string("C")])]).verdict == .allow)
    }

    @Test func `a verdict names its policy`() throws {
        let command = try CommandGuard(GuardPolicy(mode: .noInjection))
        #expect(command.judge(TaskSpec(command: "ls")).policy == command.hash)
        #expect(command.hash.count == 64)
    }

    @Test func `an expression that is wrong is named`() {
        #expect {
            _ = try CommandGuard(GuardPolicy(mode: .whitelist, allow: ["ls", "("]))
        } throws: { error in
            (error as? DeployError)?.message.hasPrefix("allow[1]") == true
        }
    }
}
