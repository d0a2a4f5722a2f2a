// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Testing

/// D1 and D4: what removes the system, however it is spelled.
@Suite struct PolicyDestructionTests {
    static let removals: [String] = [
        "rm -rf /", "rm -fr /", "rm -r -f /", "rm -Rf /", "rm --recursive --force /", "rm --rec /", "rm -rf /*",
        "rm -rf /.", "rm -rf /..", "rm -rf //", "rm -rf ///", "rm -rf /./.", "rm -rf /tmp/..", "rm -rf /tmp/../",
        "rm -rf /a/b/../..", "rm -rf /bin", "rm -rf /boot", "rm -rf /dev", "rm -rf /etc", "rm -rf /home",
        "rm -rf /lib", "rm -rf /lib64", "rm -rf /lib32", "rm -rf /media", "rm -rf /mnt", "rm -rf /opt",
        "rm -rf /proc", "rm -rf /root", "rm -rf /run", "rm -rf /sbin", "rm -rf /srv", "rm -rf /sys", "rm -rf /usr",
        "rm -rf /var", "rm -rf /etc/", "rm -rf /etc/.", "rm -rf //etc", "rm -rf /./etc", "rm -rf /etc/*",
        "rm -rf /var/*", "rm -rf /usr/*/", "rm -rf /home/*", "rm -rf /etc/.*", "rm -rf /etc/{*,.*}", "rm -rf /e*",
        "rm -rf /et?", "rm -rf /[e]tc", "rm -rf /???", "rm -rf /*/*", "rm -rf /usr/../etc", "rm -rf /tmp/a /etc",
        "rm /etc -rf", "rm -rfv /var", "rm -f -- -r /etc; rm -r /usr", "rm -rf --no-preserve-root /tmp/x",
        "rm --no-preserve-root -rf /", "rm --no-pres -rf /tmp", "rm -rf ~", "rm -rf ~/", "rm -rf ~/*",
        "rm -rf $HOME", "rm -rf \"$HOME\"", "rm -rf ${HOME}", "rm -rf $HOME/*", "rm -rf ~root", "rm -rf ~/..",
        "rm -rf \"$HOME/\"", "rm -rf \"$X/\"", "rm -rf $X/", "rm -rf $X/*", "rm -rf \"$X\"/*", "rm -rf ${X}/",
        "rm -rf \"${X}/\"*", "rm -rf $X", "rm -rf \"$X\"", "rm -rf /$X", "rm -rf /${X}/*", "rm -rf $X/$Y",
        "rm -rf $A$B/", "rm -rf $APP/lib", "rm -rf /opt/$APP", "rm -rf ${X:-}/", "rm -rf ${X:-/}",
        "rm -rf $(echo /)", "rm -rf `echo /`", "rm -rf $(cat /tmp/list)", "rm -rf \"$(pwd)\"/", "rm -rf $1",
        "rm -rf \"$@\"", "X=/; rm -rf $X", "X=/; rm -rf \"$X\"", "D=/etc && rm -rf $D",
        "for d in /etc /usr; do rm -rf $d; done", "for d in / ; do rm -rf \"$d\"; done", "A=/; B=$A; rm -rf $B/",
        "export T=/usr; rm -rf $T", "cd / && rm -rf *", "cd /; rm -rf ./*", "cd / && rm -rf .",
        "cd /etc && rm -rf *", "cd /usr; cd ..; rm -rf *", "cd / && cd usr && rm -rf *", "(cd /; rm -rf *)",
        "cd -- / ; rm -rf *", "pushd / && rm -rf *", "cd /tmp/.. && rm -rf etc", "cd //; rm -rf usr",
        "cd / && rm -rf etc/", "command cd / && rm -rf *", "rm -rf /{bin,etc}", "rm -rf /{tmp/x,usr}",
        "rm -rf {/tmp/a,/etc}", "rm -rf /{a..z}*", "rm -rf /{,tmp}", "rm {-rf,/}", "rm -rf /et{c,d}",
        "rm -rf ../../../../../etc", "rm -rf ../../../../../../*", "r\\m -rf /", "\\rm -rf /", "'rm' -rf /",
        "\"rm\" -rf /", "r''m -rf /", "rm -r\"f\" \"/\"", "rm -rf '/'", "rm $'-rf' $'/'", "rm -rf \\/",
        "/bin/rm -rf /", "/usr/bin/rm -rf /", "/bin/../bin/rm -rf /", "//bin//rm -rf /", "./rm -rf /",
        "rm \\\n -rf \\\n /", "r\\\nm -rf /", "true && rm -rf /", "false || rm -rf /", "ls; rm -rf /",
        "ls & rm -rf /", "echo a | rm -rf /", "ls\nrm -rf /", "{ rm -rf /; }", "( rm -rf / )", "( ( rm -rf / ) )",
        "if true; then rm -rf /; fi", "if rm -rf /; then :; fi",
        "if false; then :; elif rm -rf /; then :; else :; fi", "if false; then :; else rm -rf /; fi",
        "while rm -rf /; do :; done", "until rm -rf /; do break; done", "while true; do rm -rf /; done",
        "for i in 1; do rm -rf /; done", "case x in x) rm -rf /;; esac", "case x in (x|y) rm -rf / ;; esac",
        "f() { rm -rf /; }; f", "f() ( rm -rf / )", "f() rm -rf /", "! rm -rf /", "X=1 rm -rf /", "X=1 Y=2 rm -rf /",
        ">/dev/null rm -rf /", "2>&1 rm -rf /", "rm >/dev/null -rf /", "rm -rf / >/dev/null 2>&1 &", "rm -rf / # ok",
        "# ok\nrm -rf /", "echo $(rm -rf /)", "echo `rm -rf /`", "echo \"$(rm -rf /)\"", "echo \"`rm -rf /`\"",
        "echo ${X:-$(rm -rf /)}", "echo \"${X:-`rm -rf /`}\"", "echo $((1+$(rm -rf /)))", "X=$(rm -rf /)",
        "cat <(rm -rf /)", "ls >(rm -rf /)", "cat <<E\n$(rm -rf /)\nE", "cat <<E\n`rm -rf /`\nE",
        "cat <<< $(rm -rf /)", "[ -f x ] && rm -rf /", "[[ -f x ]] && rm -rf /", "test -d / && rm -rf /",
        "case $(rm -rf /) in *) ;; esac", "for i in $(rm -rf /); do :; done", "echo a &>/tmp/f rm -rf /",
        "echo $'\\' ; rm -rf / #'", "X=(a $(rm -rf /))", "select x in a; do rm -rf /; done",
        "function f { rm -rf /; }; f", "coproc rm -rf /", "a[0]=1 rm -rf /", "X+=1 rm -rf /", "mv /usr /usr.bak",
        "mv /etc /tmp/", "mv /* /tmp/x", "mv -t /tmp /var", "find / -delete", "find / -type f -delete",
        "find / -name '*.log' -delete", "find /etc -delete", "find /usr -type f -delete",
        "find /var -maxdepth 1 -delete", "find / -exec rm -rf {} +", "find / -exec rm -rf {} \\;",
        "find / -name x -exec rm -r {} +", "find /etc -exec rm -rf {} \\;", "find / -execdir rm -rf {} +",
        "find / -ok rm -r {} \\;", "find -L / -delete", "find / ! -name x -delete", "find /tmp /etc -delete",
        "find /* -delete", "cd / && find . -delete", "cd / && find -delete", "find / -exec rm -f {} +",
        "find / -exec sudo rm -rf {} +", "find ~ -delete", "find /etc -name '*' -delete", "find \"$X/\" -delete",
        "echo / | xargs rm -rf", "printf '/\\n' | xargs rm -rf", "echo /etc | xargs -I{} rm -rf {}",
        "echo / | xargs -n1 rm -r", "echo /etc | xargs -I % sh -c 'rm -rf %'", "trap 'rm -rf /' EXIT",
        "sh -c 'sh -c \"rm -rf /\"'", "bash <<E\nrm -rf /\nE", "bash <<'E'\nrm -rf /\nE", "sh <<-E\n\trm -rf /\n\tE",
        "bash -s <<E\nrm -rf /\nE", "sudo bash <<E\nrm -rf /\nE", "ssh h <<E\nrm -rf /\nE",
        "ssh h bash <<E\nrm -rf /\nE", "docker exec -i c sh <<E\nrm -rf /\nE", "su - x <<E\nrm -rf /\nE",
        "env -S 'rm -rf /'", "env -S'rm -rf /'", "env --split-string='rm -rf /'", "env -S 'A=1 rm -rf' /",
        "env -C / rm -rf etc", "sudo -D / rm -rf etc", "parallel rm -rf ::: /", "parallel -j4 rm -rf {} ::: /etc",
        "at now <<E\nrm -rf /\nE", "awk 'BEGIN{system(\"rm -rf /\")}'", "awk 'BEGIN{print | \"rm -rf /\"}'",
        "gawk 'BEGIN{\"rm -rf /\" | getline}'", "mawk \"BEGIN{system(\\\"rm -rf /\\\")}\"",
        "flock -c 'rm -rf /' /tmp/l",
    ]

    @Test(arguments: removals) func `what removes the root or a protected directory is refused`(command: String) {
        Judged(command, .blacklistDefault).isRefused(by: "D1")
    }

    static let permissions: [String] = [
        "chmod -R 777 /", "chmod -R 000 /etc", "chmod 777 -R /", "chmod --recursive 777 /usr", "chmod -Rv 777 /var",
        "chmod -R u+x /bin", "chown -R app /", "chown -R app:app /etc", "chown --recursive app /var",
        "chgrp -R app /var", "chgrp --recursive app /usr", "chown -hR app /opt", "chown -R app /*",
        "chown -R app /etc/*", "chmod -R 777 //", "chmod -R 777 /.", "chmod -R 777 /tmp/..", "sudo chmod -R 777 /",
        "cd / && chmod -R 777 .", "chmod -R 777 ~", "chown -R x $X/", "chown -R a /{bin,usr}",
    ]

    @Test(arguments: permissions) func `permissions of the system are not changed all at once`(command: String) {
        Judged(command, .blacklistDefault).isRefused(by: "D4")
    }
}
