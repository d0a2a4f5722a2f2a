// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Testing

/// V0 to V3: what a text may hold, and what starts a second command.
@Suite struct PolicyInjectionTests {
    static let characters: [String] = [
        "", " ", "\t", "\n", " \n\t ", "ls \u{1b}[31m", "ls\rid", "ls\r\nid", "echo \u{0}x", "ls\u{7}", "ls \u{7f}",
        "ls \u{85}", "ls\u{2028}id", "ls\u{2029}id", "ls \u{202e}", "ls \u{202a}", "ls \u{2066}x\u{2069}",
        "ls \u{200e}", "ls \u{61c}", "ls\u{200b}", "re\u{200d}boot", "\u{feff}ls", "ls \u{2060}", "ls \u{180e}",
        "rm\u{a0}-rf\u{a0}/", "ls\u{3000}/tmp", "ls\u{2003}x", "ls\u{1680}x", "ls\u{202f}x", "ls\u{205f}x",
        "echo 'a\u{202e}b'", "echo \"a\u{200b}b\"", "ls \\\u{a0}x",
    ]

    @Test(arguments: characters) func `characters that deceive are refused`(command: String) {
        Judged(command, .blacklistDefault).isRefused(by: "V0")
    }

    static let unparsable: [String] = [
        "echo 'a", "echo \"a", "echo `a", "echo $(a", "echo ${a", "echo $((1", "(ls", "{ ls", "ls)", "ls }; }",
        "if true; then ls", "if true", "while true; do ls", "for i in a; do ls", "case x in x) ls", "ls | ",
        "ls && ", "ls ||", "| ls", "&& ls", "; ls", "ls ;; ls", "ls > ", "ls <", "fi", "done", "do ls", "then",
        "esac", "for 1 in a; do :; done", "f() {", "ls &&& ls", "ls ( a", "a | | b", "a & & b", "ls >",
        "echo $(echo $(echo)", "! ", "{ }", "( )", "if ; then :; fi",
        "echo $(a $(b $(c $(d $(e $(f $(g $(h $(i)))))))))",
    ]

    @Test(arguments: unparsable) func `what no shell can read is refused`(command: String) {
        Judged(command, .blacklistDefault).isRefused(by: "V1")
    }

    static let injections: [String] = [
        "ls; id", "ls;id", "ls && id", "ls||id", "ls & id", "ls &", "ls\nid", "ls\n", "\nls", "ls;", "ls $(id)",
        "ls `id`", "echo \"$(id)\"", "echo \"`id`\"", "echo ${X:-$(id)}", "echo \"${X:-`id`}\"", "echo $((1+1))",
        "echo \"$((1))\"", "cat <(id)", "ls >(id)", "(id)", "{ id; }", "if id; then id; fi", "while id; do id; done",
        "for i in a; do id; done", "case a in a) id;; esac", "until id; do id; done", "f() { id; }",
        "function f { id; }", "cat <<E\nx\nE", "cat <<-E\nx\nE", "cat <<'E'\nx\nE", "cat <<< x", "ls |& cat",
        "ls 2>&1&id", "ls >/dev/null& id", "ls | (id)", "ls | { id; }", "! ls", "ls &> /tmp/x id",
        "ls &>/tmp/f cat x", "sh -c 'id; id'", "sh -c 'id && id'", "bash -c 'echo $(id)'", "eval 'id; id'",
        "env sh -c 'id;id'", "sudo sh -c 'id | (id)'", "find . -exec sh -c 'id; id' \\;",
        "awk 'BEGIN{system(\"id; id\")}'", "ls # x\nid", "ls \\\\\nid", "echo $\\\n(id)", "X=$(id)", "X=1; ls",
        "ls &\\\n& id", "echo \"a$(id)b\"", "select x in a; do id; done", "a=(b)", "echo $(( $(id) ))",
        "xargs sh -c 'a; b'",
    ]

    @Test(arguments: injections) func `nothing starts a second command`(command: String) {
        Judged(command, .noInjection).isRefused(by: "V2")
    }

    static let variablesEverywhere: [String] = [
        "LD_PRELOAD=/tmp/x ls", "env LD_PRELOAD=/tmp/x ls", "export LD_PRELOAD=/x; ls", "BASH_ENV=/tmp/x bash -c ls",
        "PERL5OPT=-Mx perl x.pl",
    ]

    @Test(arguments: variablesEverywhere) func `code is not slipped into programs by variables`(command: String) {
        Judged(command, .blacklistDefault).isRefused(by: "V3")
    }

    static let variables = [
        "LD_PRELOAD", "LD_LIBRARY_PATH", "LD_AUDIT", "DYLD_INSERT_LIBRARIES", "BASH_ENV", "ENV", "IFS", "PATH",
        "SHELLOPTS", "BASHOPTS", "PS4", "PROMPT_COMMAND", "PYTHONPATH", "PYTHONSTARTUP", "PERL5OPT", "PERL5LIB",
        "RUBYOPT", "NODE_OPTIONS", "GIT_SSH_COMMAND", "EDITOR", "PAGER", "VISUAL", "GIT_PAGER", "MANPAGER", "LESSOPEN",
        "PYTHONHOME", "GIT_SSH", "RUBYLIB", "JAVA_TOOL_OPTIONS", "CDPATH", "GIT_EXTERNAL_DIFF",
    ]

    @Test(
        arguments: ["", "env ", "sudo ", "A=1 ", "env -i A=1 ", "sudo env ", "doas ", "nohup env ", "env -u X "],
        variables)
    func `no variable decides which code runs`(prefix: String, variable: String) {
        Judged("\(prefix)\(variable)=/tmp/x ls", .noInjection).isRefused(by: "V3")
    }

    @Test func `a text has a largest size`() {
        Judged("echo " + String(repeating: "x", count: 16_379), .noInjection).isAllowed()
        Judged("echo " + String(repeating: "x", count: 16_380), .noInjection).isRefused(by: "V0")
    }

    @Test func `the place of what was found is named in bytes`() {
        #expect(Judged("echo é; id", .noInjection).verdict.position == 7)
        #expect(Judged("ls | sudo reboot", .noInjection).verdict.position == 10)
        #expect(Judged("echo a\u{202e}", .noInjection).verdict.position == 6)
    }
}
