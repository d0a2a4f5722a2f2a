// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import TestSupport
import Testing

/// What must hold for every text, tried on many.
@Suite struct PolicyPropertyTests {
    static let plain = [
        "ls -la /tmp", "df -h", "systemctl restart nginx", "grep -E 'a|b' x", "ps aux | grep nginx", "echo \"a;b\"",
        "find . -name '*.c' -exec wc -l {} +", "sudo -u app ls", "git log -n 5", "tar -czf /tmp/a.tgz /opt/app",
        "curl -s 'http://x/?a=1&b=2'", "kubectl get pods -n prod", "echo $X", "ls > /tmp/x 2>&1", "sh -c 'uptime'",
        "timeout 5 ls", "awk '{print $1}' x", "rm -rf /tmp/x",
    ]

    @Test(
        arguments: plain,
        [
            "; ", " && ", " || ", " & ", "\n", "; ( ", " ;\t", " | ", "&", ";", " &&\n", "\\\n; ", " |& ",
            " >/dev/null; ",
        ])
    func `nothing can be added to what is allowed`(command: String, joint: String) {
        Judged(command, .noInjection).isAllowed()
        for act in ["reboot", "rm -rf /", "sudo halt", "mkfs.ext4 /dev/sda"] {
            #expect(Judged(command + joint + act, .noInjection).verdict.verdict == .deny)
            #expect(Judged(act + joint + command, .noInjection).verdict.verdict == .deny)
        }
        for act in ["id", "$(id)", "`id`"] where joint != " | " {
            #expect(Judged(command + joint + act, .noInjection).verdict.verdict == .deny)
        }
    }

    @Test(arguments: plain) func `nothing can be put into what is allowed`(command: String) {
        for act in [
            "$(reboot)", "`reboot`", "\"$(reboot)\"", "\"`reboot`\"", "<(reboot)", "${X:-$(reboot)}", "$((`reboot`))",
        ] {
            #expect(Judged("\(command) \(act)", .noInjection).verdict.verdict == .deny)
            Judged("\(command) \(act)", .blacklistDefault).isRefused(by: "D2")
        }
    }

    @Test(arguments: [
        "rm -rf /", "ls -la", "sudo reboot", "find / -delete", "rm -rf /tmp/x", "timeout 5 halt", "dd if=a of=/dev/sda",
        "kill -9 1", "env A=1 ls", "systemctl isolate reboot.target", "chmod -R 777 /etc", "nice -n 5 nohup rm -r /usr",
        "docker exec web reboot", "git -c core.pager=x log", "env LD_PRELOAD=x ls", "tee /etc/passwd",
    ])
    func `quotes change nothing`(command: String) {
        let words = command.split(separator: " ").map(String.init)
        let spellings = [
            words.map { "'\($0)'" }, words.map { "\"\($0)\"" }, words.map { "''\($0)\"\"" },
            words.map { $0.map { "\\\($0)" }.joined() }, words.map { $0.map { "'\($0)'" }.joined() },
        ]
        for mode in [GuardMode.noInjection, .blacklistDefault] {
            let expected = Judged(command, mode).verdict
            for spelling in spellings {
                let verdict = Judged(spelling.joined(separator: " "), mode).verdict
                #expect(verdict.rule == expected.rule && verdict.commands == expected.commands)
            }
            #expect(Judged(words, mode).verdict.rule == expected.rule)
        }
    }

    @Test func `no text stops the guard`() {
        var random = SystemRandomNumberGenerator()
        let pieces = [
            "$(", "`", "${", "$((", "))", "'", "\"", "\\", "<<E\n", "E\n", "\n", ";", "|", "&", "(", ")", "{", "}",
            "if ",
            "then ", "fi", "case x in ", "esac", "a) ", ";;", "for i in ", "do ", "done", "f()", "sh -c ", "eval ",
            "xargs ",
            "find / -exec ", "awk 'BEGIN{system(\"", "$'\\x", "$X", "*", "~", "{a,", ",b}", "[", "]", "rm -rf ", "/",
            "sudo ",
            "env -S ", "ssh h ", "#", "!", "<(", ">", "<<<", "=", "sed e", "\u{0}", "é", "\u{10ffff}", "-", "--", "1>&",
            "..",
        ]
        for _ in 0..<3000 {
            var text = ""
            for _ in 0..<Int.random(in: 1...40, using: &random) {
                text += pieces.randomElement(using: &random) ?? ""
            }
            let mode = GuardMode.allCases.randomElement(using: &random) ?? .audit
            let verdict = Judged(text, mode, allow: [".*"]).verdict
            #expect(verdict.position.map { (0...text.utf8.count).contains($0) } != false)
        }
    }

    @Test(arguments: [
        "$(", "`", "${x:-", "$((", "(", "{ ", "\"$(", "if ", "while ", "case x in a) ", "f() { ", "<(", "\"${x:-\"",
        "{a,",
        "$(( ( ", "[", "x=(", "!", "\\", "<<E ", "{a,b}", "sudo ", "a|", "a;", "a&&", "$x", "*", "'' ",
        "echo a | xargs ",
        "~/", "../", "f(){ f|f& };", "X=$X$X;", "{{a,b},", "$'\\", "{1..9}", "rm -rf $X ", "sh -c ", "2>&1 ", "<<<a ",
    ])
    func `the largest texts take no long time`(piece: String) {
        let text = String(repeating: piece, count: 16_384 / piece.utf8.count)
        let time = processorTime {
            for mode in GuardMode.allCases { _ = Judged(text, mode, allow: ["(a+)+b", ".*x.*y"]).verdict }
        }
        #expect(time < .seconds(10))
    }
}
