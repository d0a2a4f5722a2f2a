// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Testing

/// V5 and V6: every way to have another program run a command leads to the command.
@Suite struct PolicyWrapperTests {
    static let wrappers: [String] = [
        "sudo", "sudo -u root", "sudo -n -E", "sudo --user=root --", "sudo -u root -g wheel", "sudo FOO=1",
        "sudo -s", "sudo -i", "doas", "doas -u root", "env", "env A=1 B=2", "env -i", "env -u X", "env - A=1",
        "env -C /tmp", "nohup", "nice", "nice -n 10", "nice -10", "nice --adjustment=5", "ionice -c 2 -n 7",
        "ionice -c3", "ionice --class idle", "timeout 5", "timeout -s KILL 5", "timeout -k 1 5",
        "timeout --signal=KILL --kill-after 3 5s", "timeout --foreground 5", "setsid", "setsid -w", "stdbuf -oL",
        "stdbuf -o L -e0", "time", "time -p", "/usr/bin/time -v", "/usr/bin/time -f %e -o /tmp/t", "command",
        "command -p", "exec", "exec -a x", "builtin", "chroot /mnt/x", "chroot --userspec=a:b /x",
        "nsenter -t 1 -m -u -i", "nsenter --target 1 --mount --", "nsenter -a -t 1", "unshare -m",
        "unshare -m -p --fork", "unshare --mount-proc -fp", "watch", "watch -n 1", "watch -x", "watch --interval 5",
        "flock /tmp/l", "flock -n /tmp/l", "flock -w 5 /tmp/l", "flock -xn /tmp/l", "strace", "strace -f -o /tmp/o",
        "strace -e trace=file", "ltrace -f", "systemd-run", "systemd-run --scope", "systemd-run --unit x -p A=b",
        "systemd-run --on-active=5", "busybox", "toybox", "chrt -f 10", "chrt --idle 0", "taskset -c 0",
        "taskset 0x1", "numactl -N 0 -m 0", "numactl --cpunodebind=0", "runuser -u root --", "runuser -u root",
        "setpriv --reuid 0", "setpriv --reuid=0 --clear-groups", "prlimit --nofile=10", "cgexec -g cpu:x",
        "sudo env", "sudo nohup nice", "nohup setsid", "env env env", "pkexec", "gosu root", "su-exec root",
        "dumb-init", "tini --", "fakeroot", "linux64", "setarch x86_64", "ip netns exec ns1", "/usr/bin/env",
        "/lib64/ld-linux-x86-64.so.2", "ssh web1", "ssh -p 22 root@web1",
        "ssh -i key -o StrictHostKeyChecking=no web1", "ssh -t web1 --", "kubectl exec pod --",
        "kubectl exec -it pod -c app --", "kubectl -n prod exec pod --", "kubectl exec pod",
        "kubectl exec -n prod -i pod --", "docker exec web", "docker exec -it -u root web", "docker exec -e A=b web",
        "docker run --rm alpine", "docker run -v /:/host --rm -it alpine:3", "docker compose exec web",
        "docker-compose run --rm web", "podman run alpine", "podman exec web", "crictl exec abc", "lxc exec c1 --",
        "systemd-inhibit --what=idle", "parallel", "unbuffer", "sshpass -p x ssh h", "cpulimit -l 50 --", "torsocks",
        "eval",
    ]

    @Test(arguments: wrappers) func `a wrapper is looked through`(wrapper: String) {
        Judged("\(wrapper) rm -rf /", .blacklistDefault).isRefused(by: "D1")
        Judged("\(wrapper) reboot", .blacklistDefault).isRefused(by: "D2")
        Judged("\(wrapper) /sbin/poweroff -f", .blacklistDefault).isRefused(by: "D2")
        Judged("\(wrapper) rm -rf /tmp/x", .blacklistDefault).isAllowed()
        Judged("\(wrapper) ls", .noInjection).isAllowed()
    }

    static let shells: [String] = [
        "sh -c", "bash -c", "dash -c", "zsh -c", "ksh -c", "ash -c", "/bin/sh -c", "bash -lc", "bash -ec", "sh -xc",
        "sh -e -c", "bash -x -e -c", "bash --norc -c", "bash --login -c", "bash -o pipefail -c", "bash +x -c",
        "bash --rcfile /x -c", "su -c", "su - -c", "su - root -c", "su root -c", "su -l root -c", "su --command",
        "runuser -l root -c", "sudo sh -c", "sudo bash -lc", "env sh -c", "busybox sh -c", "eval", "ssh h",
        "kubectl exec p -- sh -c", "docker exec c sh -c", "docker run --rm --entrypoint sh a -c", "xargs sh -c",
        "nohup sh -c", "timeout 5 bash -c", "watch", "parallel", "flock /tmp/l -c", "script -q -c", "sh <<<",
        "bash <<<",
    ]

    @Test(arguments: shells) func `the text given to a shell is judged`(shell: String) {
        Judged("\(shell) 'rm -rf /'", .blacklistDefault).isRefused(by: "D1")
        Judged("\(shell) 'true; reboot'", .blacklistDefault).isRefused(by: "D2")
        Judged("\(shell) 'ls; id'", .noInjection).isRefused(by: "V2")
        Judged("\(shell) 'ls -l'", .blacklistDefault).isAllowed()
    }

    @Test func `wrappers are looked through in any number`() {
        Judged("sudo -n env A=1 nice -n 5 timeout -k 1 5 nohup setsid rm -rf /", .noInjection).isRefused(by: "D1")
        let many = String(repeating: "sudo ", count: 100)
        Judged(many + "ls", .blacklistDefault).isRefused(by: "V5")
    }

    @Test func `programs may stand in programs eight deep`() {
        var text = "reboot"
        for depth in 1...12 {
            text = "sh -c '" + text.replacing("'", with: "'\\''") + "'"
            guard text.utf8.count < 16_000 else { break }
            Judged(text, .blacklistDefault).isRefused(by: depth <= 8 ? "D2" : "V1")
        }
    }

    @Test func `what is run is shown without its wrappers`() {
        let commands = Judged("sudo -u app env A=1 ls -l | timeout 5 sh -c 'wc -l | cat'", .blacklistDefault).verdict
            .commands
        #expect(commands == ["ls -l", "sh -c wc -l | cat", "wc -l", "cat"])
    }
}
