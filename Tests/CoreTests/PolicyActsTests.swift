// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Testing

/// D2, D3 and D5 to D7: what stops the host, overwrites it or exhausts it.
@Suite struct PolicyActsTests {
    static let shutdowns: [String] = [
        "trap 'true; reboot' EXIT", "shutdown", "shutdown -h now", "shutdown -r +5", "shutdown now", "reboot",
        "reboot -f", "halt", "halt -p", "poweroff", "poweroff -f", "/sbin/reboot", "/usr/sbin/shutdown -h now",
        "kexec -e", "kexec -f", "kexec --exec", "pm-suspend", "pm-hibernate", "init 0", "init 6", "init 1", "init s",
        "init S", "telinit 0", "telinit 6", "/sbin/init 0", "systemctl poweroff", "systemctl reboot",
        "systemctl halt", "systemctl kexec", "systemctl suspend", "systemctl hibernate", "systemctl hybrid-sleep",
        "systemctl suspend-then-hibernate", "systemctl rescue", "systemctl emergency", "systemctl soft-reboot",
        "systemctl exit", "systemctl -i reboot", "systemctl --force --force reboot", "systemctl -f poweroff",
        "systemctl reboot -f", "systemctl --no-wall reboot", "systemctl -H host reboot",
        "systemctl isolate poweroff.target", "systemctl isolate reboot.target", "systemctl isolate rescue.target",
        "systemctl isolate emergency.target", "systemctl isolate rescue", "systemctl --no-block isolate reboot",
        "systemctl start reboot.target", "systemctl start poweroff.target",
        "systemctl start halt.target", "systemctl start --no-block reboot.target",
        "systemctl start systemd-reboot.service", "systemctl start ctrl-alt-del.target",
        "systemctl isolate runlevel0.target", "systemctl isolate runlevel6.target", "loginctl poweroff",
        "loginctl reboot", "loginctl suspend",
        "busctl call org.freedesktop.login1 /org/freedesktop/login1 org.freedesktop.login1.Manager Reboot b false",
        "dbus-send --system --dest=org.freedesktop.login1 /org/freedesktop/login1 org.freedesktop.login1.Manager.PowerOff boolean:true",
        "rtcwake -m off -s 60", "echo b > /proc/sysrq-trigger", "echo b >/proc/sysrq-trigger",
        "echo b >> /proc/sysrq-trigger", "echo b | tee /proc/sysrq-trigger",
        "echo b | sudo tee -a /proc/sysrq-trigger", "echo b > /proc/./sysrq-trigger",
        "echo b > //proc//sysrq-trigger", "echo b > /tmp/../proc/sysrq-trigger",
        "cd /proc && echo b > sysrq-trigger", "dd of=/proc/sysrq-trigger if=/tmp/b", "cp /tmp/b /proc/sysrq-trigger",
        "re\"\"boot", "r'e'boot", "\\reboot", "$'\\x72eboot'", "sleep 5 && reboot", "(sleep 5; reboot) &",
        "nohup sh -c 'sleep 5; reboot' &", "echo ok; sync; reboot", "wall bye; shutdown -h +1", "systemctl \"$V\"",
        "echo reboot | xargs -I{} sh -c '{}'",
    ]

    @Test(arguments: shutdowns) func `the host is not stopped`(command: String) {
        Judged(command, .blacklistDefault).isRefused(by: "D2")
    }

    static let devices: [String] = [
        "mkfs /dev/sda1", "mkfs.ext4 /dev/sda1", "mkfs.xfs -f /dev/nvme0n1p1", "mkfs -t ext4 /dev/vdb",
        "mke2fs /dev/vdb", "mkswap /dev/sdc1", "mkfs.ext4 -F /dev/mapper/vg-lv", "wipefs -a /dev/sdb",
        "wipefs --all /dev/sdb", "wipefs -af /dev/sdb", "blkdiscard /dev/sdb", "shred /dev/sda",
        "shred -n 1 -z /dev/sda", "dd if=/dev/zero of=/dev/sda", "dd of=/dev/sda if=/dev/zero bs=1M",
        "dd if=/tmp/a of=/dev/nvme0n1", "dd if=/tmp/a of=//dev//sda", "dd if=x of=/dev/../dev/sda",
        "dd if=x of=/dev/mmcblk0", "dd if=x of=/dev/dm-0", "dd if=x of=/dev/md0", "dd if=x of=/dev/loop0",
        "dd if=x of=/dev/xvda", "dd if=x of=/dev/hda", "dd if=x of=/dev/mem", "dd if=x of='/dev/sda'",
        "dd if=x of=/dev/disk/by-id/x", "cp /tmp/x /dev/sda", "cp -f /tmp/x /dev/sda1", "cat /tmp/x > /dev/sda",
        "cat /tmp/x >/dev/sda", "cat /tmp/x >> /dev/sda", "cat x >| /dev/sda", "cat x <> /dev/sda > /dev/sda",
        "echo x 1> /dev/sda", "echo x &> /dev/sda", "echo x >& /dev/sda", "> /dev/sda", ": > /dev/sdb",
        "cat x | tee /dev/sda", "tee -a /dev/sda", "sudo tee /dev/sda", "sudo dd if=x of=/dev/sda", "mkfs.ext4 $DEV",
        "cd /dev && dd if=x of=sda", "cat x > /dev/sd$X", "{ echo x; } > /dev/sda",
        "while :; do echo x; done > /dev/sda", "(echo x) > /dev/sda", "echo x 3>/dev/sda",
        "parted -s /dev/sda mklabel gpt", "sgdisk --zap-all /dev/sda", "cryptsetup luksFormat /dev/sdb1",
        "hdparm --security-erase x /dev/sda", "dd if=/dev/zero of=/dev/vdb conv=fsync",
    ]

    @Test(arguments: devices) func `no device is written`(command: String) {
        Judged(command, .blacklistDefault).isRefused(by: "D3")
    }

    static let bombs: [String] = [
        ":(){ :|:& };:", ":() { : | : & }; :", "bomb() { bomb | bomb & }; bomb", "f() { f & f & }; f",
        "f(){ f|f; }; f", "a() { b | b & }; b() { a | a & }; a", "function x { x | x & }; x",
        "f() { sleep 1; f & }; f", "f() { (f | f) & }; f", "b() { if true; then b | b & fi; }; b",
        "f() { \"f\" | f & }; f", "f() { exec f | f & }; f", "sh -c 'f() { f | f & }; f'", "x() ( x & x & ); x",
    ]

    @Test(arguments: bombs) func `no function multiplies`(command: String) {
        Judged(command, .blacklistDefault).isRefused(by: "D5")
    }

    static let signals: [String] = [
        "kill -1", "kill -9 -1", "kill -9 1", "kill -KILL 1", "kill -s KILL 1", "kill -s 9 -- -1", "kill -- -1",
        "kill -TERM -1", "kill 1", "killall5", "killall5 -9", "sudo kill -9 -1", "kill -9 100 1",
        "kill --signal KILL 1", "/bin/kill -9 1", "kill -n 9 1", "kill -9 1 -l",
        "kill -s 0 -s 9 1", "kill -0 -s 9 1", "kill -9 01", "kill -9 +1", "kill -s 0 $X 1",
    ]

    @Test(arguments: signals) func `not every process is signalled`(command: String) {
        Judged(command, .blacklistDefault).isRefused(by: "D6")
    }

    static let accounts: [String] = [
        "echo x > /etc/passwd", "echo x >> /etc/passwd", "echo x > /etc/shadow", "echo x >/etc/sudoers",
        "echo x | tee /etc/passwd", "echo x | sudo tee -a /etc/sudoers", "echo x | tee /etc/shadow", "> /etc/passwd",
        ": > /etc/shadow", "cat x > /etc//passwd", "cat x > /etc/./passwd", "cat x > /tmp/../etc/passwd",
        "cd /etc && echo x > passwd", "cp /tmp/p /etc/passwd", "dd if=x of=/etc/shadow", "truncate -s 0 /etc/passwd",
        "echo x &> /etc/passwd", "echo x | tee /tmp/a /etc/passwd", "echo x > '/etc/passwd'",
        "echo x > /etc/pass\"wd\"", "echo x > /etc/sudoers.d/x", "mv /tmp/p /etc/passwd",
    ]

    @Test(arguments: accounts) func `files of accounts are not written`(command: String) {
        Judged(command, .blacklistDefault).isRefused(by: "D7")
    }
}
