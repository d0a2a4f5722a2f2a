// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Testing

/// What looks dangerous and is not, and what people do all day.
@Suite struct PolicyAllowedTests {
    static let scripts: [String] = [
        "ls -la /var/log", "uptime", "df -h", "free -m", "ps aux", "date -u +%Y-%m-%dT%H:%M:%SZ",
        "systemctl status nginx", "systemctl restart nginx", "systemctl daemon-reload",
        "systemctl list-units --state=failed", "systemctl stop nginx && systemctl start nginx",
        "systemctl enable --now redis", "systemctl is-active sshd", "journalctl -u nginx --since today",
        "journalctl -b -1 | grep -i reboot", "last reboot", "which poweroff", "command -v reboot", "type shutdown",
        "man reboot", "whatis halt", "echo reboot", "echo 'please reboot'", "grep reboot /var/log/syslog",
        "grep -r shutdown /etc", "cat /proc/sysrq-trigger", "cat /etc/passwd", "cat /etc/shadow",
        "grep x /etc/sudoers", "ls /dev/sda1", "lsblk -f", "fdisk -l /dev/sda", "blkid /dev/sda1",
        "smartctl -a /dev/sda", "mkfs --help", "mkfs.ext4 -V", "dd if=/dev/sda of=/tmp/x bs=512 count=1",
        "dd if=/dev/zero of=/tmp/x bs=1M count=10", "wipefs /dev/sdb", "hdparm -I /dev/sda",
        "mkfs.ext4 /tmp/disk.img", "shred -u /tmp/secret", "cp /dev/null /tmp/x", "echo x > /dev/null",
        "echo x >/dev/stdout", "echo x > /dev/stderr", "cat x >/dev/tty", "kill 12345", "kill -9 12345",
        "kill -HUP 12345", "kill -1 12345", "kill -l", "kill -0 123", "pkill -f app.jar", "killall nginx", "rm file",
        "rm -f /var/run/app.pid", "rm -rf ./build dist", "rm -rf /tmp/x", "rm -rf /tmp/*",
        "rm -rf /var/log/app/*.log", "rm -rf /var/log/app", "rm -rf /opt/app/releases/old", "rm -rf /home/app/cache",
        "rm -rf /usr/local/app", "rm -rf /etc/app.d/x", "rm -rf *", "rm -rf ./*", "rm -rf ~/app/cache",
        "rm -rf $HOME/app", "rm -rf ${X:?}/old", "rm -rf \"${X:?}/\"", "rm -rf \"${X:?unset}\"", "rm -r -- -x",
        "rm -rf /tmp/{a,b}", "rm /etc/app.conf", "rm -f /etc/*.bak", "rm -rf node_modules/", "rm -rf /data",
        "rm -rf /backup/*", "T=$(mktemp -d); rm -rf \"$T\"", "for d in a b; do rm -rf \"$d\"; done",
        "D=/opt/app/tmp; rm -rf \"$D\"", "D=/opt/app/tmp; rm -rf \"$D/\"*", "cd /opt/app && rm -rf *", "cd / && ls",
        "cd \"$D\" && rm -rf ./*", "rmdir /tmp/x", "git rm -r --cached x", "docker rm -f web", "docker rmi x",
        "docker run --rm alpine env", "npm run rm", "mv /tmp/rm -t /opt/tools", "mv /tmp/a /etc/app/a", "mv x /tmp",
        "mv app /opt", "echo rm -rf /", "echo 'rm -rf /'", "printf '%s\\n' 'rm -rf /'", "grep -F 'rm -rf /' x",
        "# rm -rf /\nls", "ls # rm -rf /", "cat <<E\nrm -rf /\nE", "cat <<'E' > /tmp/x\n$(rm -rf /)\nE",
        "alias ls='rm -rf /'", "rm() { echo no; }", "chmod -R 755 /opt/app", "chmod 777 /etc/app.conf",
        "chmod 1777 /tmp", "chown -R app:app /opt/app", "chown app /etc/app.conf", "chgrp -R app /var/log/app",
        "chmod -R u+rwX .", "find /var/log -name '*.gz' -mtime +7 -delete", "find . -delete",
        "find /tmp -type f -delete", "find / -name core -print", "find / -name '*.conf'",
        "find / -type f -size +100M", "find /var -name '*.tmp' -delete", "find . -exec wc -l {} +",
        "find . -type f -exec rm -f {} +", "find /tmp -exec rm -rf {} +",
        "find . -name '*.sh' -exec sh -c 'wc -l \"$1\"' _ {} \\;", "ls | xargs rm -f", "ls | xargs -n1 echo",
        "find . -print0 | xargs -0 rm -rf", "xargs -I{} cp {} /tmp < list", "parallel gzip ::: a b",
        "ls | parallel gzip {}", "sh -c 'uptime'", "bash -c 'cd /opt && ls'", "sh script.sh", "bash /tmp/x.sh",
        "bash -x /tmp/x.sh a b", "bash < /tmp/x.sh", ". /tmp/x.sh", "source ~/.profile", "eval 'ls -l'",
        "trap 'rm -f \"$t\"' EXIT", "trap - INT", "trap '' HUP", "python3 -c 'print(1)'",
        "python3 -c \"print('reboot')\"", "python3 /tmp/x.py", "cat x | python3 -m json.tool",
        "cat x | python3 -c 'import sys; print(sys.stdin.read())'", "cat x | python3 /opt/f.py",
        "cat x | perl -ne 'print if /reboot/'", "cat x | perl -pe 's/a/b/'", "cat x | ruby -ne 'puts $_'",
        "cat x | node -e 'x'", "cat x | php -r 'echo 1;'", "cat x | sh -c 'cat'", "cat x | bash script.sh",
        "cat x | awk '{print $1}'", "awk 'NR>1 && $3 > 100 {s += $3} END {print s}' x", "awk '/shutdown/ {print}' x",
        "awk '$1 == \"reboot\"' x", "awk -F: '{print $1 || $2}' x", "cat x | ssh host 'cat > /tmp/y'",
        "cat x | tee /tmp/y", "cat x | mysql app", "cat x | sort | uniq -c | sort -rn | head", "ssh web1 uptime",
        "ssh web1 'systemctl restart nginx'", "ssh -p 22 web1 df -h", "for h in a b; do ssh $h uptime; done",
        "ssh \"$h\" \"systemctl status $s\"", "kubectl get pods", "kubectl exec api-0 -- ls",
        "kubectl exec -it api-0 -c app -- env", "kubectl rollout restart deployment/reboot-service",
        "kubectl delete pod reboot", "docker exec web ls", "docker exec -it web sh", "docker run --rm -it alpine sh",
        "docker compose up -d", "docker-compose logs -f", "sudo systemctl restart nginx", "sudo -u app ls",
        "sudo -l", "sudo -i", "nohup ./run.sh > /tmp/o 2>&1 &", "timeout 30 curl -s http://x",
        "nice -n 10 tar -czf /tmp/x /opt", "env", "env A=1 ls", "env | sort", "time ls", "watch -n 1 'df -h'",
        "strace -p 123", "ionice -p 123", "taskset -p 123", "chrt -p 123", "flock -n /tmp/l ./run.sh",
        "xargs --version", "while true; do sleep 1; break; done", "while IFS= read -r l; do echo \"$l\"; done < x",
        "for i in 1 2 3; do echo $i; done", "for i; do echo $i; done", "if [ -f x ]; then echo y; else echo n; fi",
        "if ! grep -q x y; then echo z; fi", "case $1 in start) echo a;; stop|kill) echo b ;; *) echo c;; esac",
        "case x in (a) ;; esac", "[ -d /x ] || mkdir /x", "test -f x && echo y", "f() { echo a; }; f",
        "f() { f2; }; f2() { echo; }; f", "fact() { [ $1 -le 1 ] || fact $(( $1 - 1 )); }; fact 5", "(cd /x && ls)",
        "{ echo a; echo b; } > /tmp/x", "echo $((1 + 2 * (3)))", "echo \"${X:-default}\"",
        "echo ${X##*/} ${Y%.txt} ${#Z}", "X=1", "X=1 Y=2 env", "X=$(date)", "echo `date`", "echo \"a `date` b\"",
        "echo 'it'\\''s'", "echo \"a \\\"b\\\" \\$c\"", "echo $'a\\tb'", "echo a\\ b", "echo {a,b}", "echo {1..3}",
        "echo a{b,c}d", "ls *.txt", "ls ~/x", "~/bin/deploy.sh", "echo a; echo b", "echo a && echo b || echo c",
        "echo a &", "a=1; b=2; echo $a$b", "echo a > /tmp/x 2>&1", "echo a >> /tmp/x", "cat < /tmp/x",
        "cmd 2>/dev/null", "cmd >/dev/null 2>&1", "cmd &>/dev/null", "exec 3>/tmp/x", "exec >/tmp/log",
        "ls 2>&1 | tee /tmp/x", "cat <<E\n$X ${Y} text\nE", "cat <<-E\n\tx\n\tE", "echo 你好 | grep 好",
        "grep '磁盘' 日志.log", "echo 'a\u{a0}b'", "/opt/app/bin/deploy.sh", "./run.sh", "'/opt/my app/run.sh'",
        "curl -s 'http://x/?a=1&b=2'", "PATH=/opt/bin:$PATH deploy", "LANG=C sort x", "TZ=UTC date",
        "PYTHONPATH=. python3 x.py", "make -C /opt/src install", "crontab -l", "mount", "init --version",
        "shutdownctl status", "formatter --all", "rebooted", "rm-old-files /", "killall5x", "ls /sbin/reboot",
        "file /sbin/shutdown", "stat /dev/sda", "systemctl status reboot.target", "systemctl cat poweroff.target",
        "systemctl start nginx", "loginctl list-sessions", "kexec -l /boot/vmlinuz", "init", "exec ls", "set -e; ls",
        "set -euo pipefail\nls", "\\\nls", "ls \\\n-l", "echo a\\\nb", "true; false", "return", "unset X", "read x",
        "export A=1", "umask 022", "ulimit -n", "wait", "echo $?", "echo $!", "echo $$ $0 $# $@ $*", "a=b c", "ls;",
        "ls &", "\n\nls\n\n", "#x\n#y\nls", "echo a#b", "echo \"#\" # c",
    ]

    @Test(arguments: scripts) func `ordinary scripts run`(command: String) {
        Judged(command, .blacklistDefault).isAllowed()
    }

    static let plain: [String] = [
        "ls -la", "df -h | awk '{print $5}'", "grep -E 'a|b' x", "find . -exec wc -l {} +",
        "find . -exec grep x {} \\;", "sed -e 's/a/b/;s/c/d/' x", "sed 's/e/f/g' x", "sed -n '/start/,/end/p' x",
        "sed -i 's|a|e|' x", "sed '/re/d' x", "make -j4 >&2", "make 2>&1 | tail", "ls > /tmp/x", "ls >> /tmp/x",
        "ls 2>/dev/null", "ls &> /tmp/x", "ls &>> /tmp/x", "ls &>/dev/null | cat", "cat < x",
        "psql -c 'select 1 where 1=1 and (2>1)'", "echo \"cost: \\$5\"", "git commit -m 'fix: a & b; c'",
        "docker run --rm -e 'X=a;b' alpine env", "systemctl restart nginx", "echo {a,b}",
        "jq '.items[] | {n: .name}' x", "echo 'a\nb'", "echo \"a\nb\"", "echo a\\;b", "echo a\\&b", "echo \\`x\\`",
        "echo '$(id)'", "echo '`id`'", "echo \"\\$(id)\"", "echo \\$\\(id\\)", "echo $X", "echo ${X}", "echo \"$X\"",
        "echo ${X:-a}", "ls *.txt", "ls ~", "X=1 ls", "LANG=C sort x", "TZ=UTC date", "sudo systemctl restart nginx",
        "env A=1 ls", "timeout 5 ls", "nohup ls", "sh -c 'uptime'", "bash -c 'ls | wc -l'",
        "sh -c 'echo \"$1\"' _ a", "find . -exec sh -c 'wc -l \"$1\"' _ {} \\;", "ls | xargs -n1 echo",
        "ls # comment", "ls \\\n-l", "echo a#b", "curl 'http://x/?a=1&b=2'", "curl http://x/?a=1\\&b=2",
        "echo if then fi", "echo a } b", "echo done", "grep -c ';' x", "echo 'a && b'", "echo \"a && b\"",
        "echo a'|'b", "awk -F'|' '{print $1}' x", "awk '{print $1 || $2}' x", "git log --oneline",
        "git -C /x status", "git -c color.ui=never log", "git -c user.name=x commit -m y",
        "tar -czf /tmp/x.tgz /opt/app", "tar -xzf x -C /opt", "rsync -av a b", "rsync -avz --delete a/ h:b/",
        "ssh h uptime", "ssh -o StrictHostKeyChecking=no h uptime", "sort -u x", "split -l 10 x", "vim --version",
        "ls | grep x | wc -l", "ls -l | cat", "[ -f x ]", "test -f x", "time ls",
        "kubectl get pods -o jsonpath='{.items[*].metadata.name}'",
        "journalctl --since '2024-01-01 00:00' -u a.service", "printf '%s\\n' a", "echo $'a;b'", "echo $\"a\"",
        "ls -- -x", "echo 2>&1", "ls >&2 2>/dev/null", "cat <x >y",
    ]

    @Test(arguments: plain) func `plain commands run`(command: String) {
        Judged(command, .noInjection).isAllowed()
    }
}
