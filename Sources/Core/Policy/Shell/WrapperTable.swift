// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

/// A program that runs the command in its arguments.
struct Wrapper: Sendable {
    var options = OptionSpecification()
    /// Operands before the command, such as the duration of `timeout`.
    var skip = 0
    /// Whether `NAME=value` may stand before the command.
    var takesAssignments = false
    /// Whether the words are joined and given to a shell.
    var runsText = false
    /// Options whose argument is a program for a shell.
    var textOptions: [String] = []
    /// Options whose argument is the working directory.
    var directoryOptions: [String] = []
    /// Options with which no command is run.
    var inertOptions: [String] = []
    /// Options with which, without a command, a shell is started; `*` for always.
    var shellOptions: [String] = []
    /// Options whose argument takes the place of a skipped operand.
    var skipOptions: [String] = []

    init(
        _ letters: String = "", _ long: [String] = [], attached: String = "", skip: Int = 0, assignments: Bool = false,
        runsText: Bool = false, text: [String] = [], directory: [String] = [], inert: [String] = [],
        shell: [String] = [], skipOptions: [String] = [], isInverted: Bool = false
    ) {
        options = OptionSpecification(letters: letters, attached: attached, long: long, isInverted: isInverted)
        self.skip = skip
        takesAssignments = assignments
        self.runsText = runsText
        textOptions = text
        directoryOptions = directory
        inertOptions = inert
        shellOptions = shell
        self.skipOptions = skipOptions
    }
}

/// V5: the programs that are looked through to the command they run.
enum WrapperTable {
    static let wrappers: [String: Wrapper] = [
        // Other users
        "sudo": Wrapper(
            "pugrtCTUhDR",
            [
                "prompt", "user", "group", "role", "type", "close-from", "command-timeout", "other-user", "host",
                "chdir", "chroot",
            ], assignments: true, directory: ["-D", "--chdir"],
            inert: ["-e", "--edit", "-l", "--list", "-v", "--validate", "-K", "-V", "--version"],
            shell: ["-s", "--shell", "-i", "--login"]),
        "doas": Wrapper("uC", assignments: true, inert: ["-L"], shell: ["-s"]),
        "dzdo": Wrapper("ug", ["user", "group"], assignments: true, shell: ["-s", "-i"]),
        "pkexec": Wrapper("", ["user"], shell: ["*"]),
        "run0": Wrapper(
            "ugDp",
            [
                "user", "group", "chdir", "property", "setenv", "unit", "description", "slice", "nice", "background",
                "machine",
            ],
            directory: ["-D", "--chdir"], shell: ["*"]),
        "su": Wrapper(
            "csgGTw", ["command", "session-command", "shell", "group", "supp-group", "whitelist-environment"], skip: 1,
            text: ["-c", "--command", "--session-command"], shell: ["*"]),
        "runuser": Wrapper(
            "cusgGTw",
            ["command", "session-command", "user", "shell", "group", "supp-group", "whitelist-environment"], skip: 1,
            text: ["-c", "--command", "--session-command"], shell: ["*"], skipOptions: ["-u", "--user"]),
        "sg": Wrapper("c", skip: 1, runsText: true, text: ["-c"], shell: ["*"]),
        "gosu": Wrapper(skip: 1), "su-exec": Wrapper(skip: 1), "setuidgid": Wrapper(skip: 1),
        "s6-setuidgid": Wrapper(skip: 1), "s6-envuidgid": Wrapper(skip: 1), "envuidgid": Wrapper(skip: 1),
        "envdir": Wrapper(skip: 1), "s6-envdir": Wrapper(skip: 1), "softlimit": Wrapper("acdflmoprstnv"),
        "chpst": Wrapper("uUbenmdpofcrtl/C"), "setlock": Wrapper(skip: 1),
        "setpriv": Wrapper(
            "",
            [
                "ruid", "euid", "reuid", "rgid", "egid", "regid", "groups", "inh-caps", "ambient-caps", "bounding-set",
                "securebits", "pdeathsig", "selinux-label", "apparmor-profile", "landlock-access", "landlock-rule",
            ]),
        "capsh": Wrapper("", text: ["-c"], shell: ["--"]),
        "fakeroot": Wrapper("lisb", ["lib", "faked"], shell: ["*"]),

        // Environment and terminal
        "env": Wrapper(
            "uCS", ["unset", "chdir", "split-string"], assignments: true, directory: ["-C", "--chdir"]),
        "nohup": Wrapper(), "setsid": Wrapper(), "command": Wrapper(inert: ["-v", "-V"]), "builtin": Wrapper(),
        "exec": Wrapper("a"), "coproc": Wrapper(), "noglob": Wrapper(), "nocorrect": Wrapper(), "-": Wrapper(),
        "stdbuf": Wrapper("ioe", ["input", "output", "error"]), "unbuffer": Wrapper(),
        "rlwrap": Wrapper(attached: "aAbcCDefgHilmMnNopPqrRsStTvwWXyYzZ"),
        "script": Wrapper(
            "cIOBTEmo",
            ["command", "log-in", "log-out", "log-io", "log-timing", "echo", "logging-format", "output-limit"],
            text: ["-c", "--command"], shell: ["*"]),
        "openvt": Wrapper("c", ["console"]), "dbus-run-session": Wrapper("", ["config-file", "dbus-daemon"]),
        "xvfb-run": Wrapper("efnps", ["error-file", "auth-file", "server-num", "xauth-protocol", "server-args"]),
        "eatmydata": Wrapper(), "torsocks": Wrapper("uaP"), "proxychains": Wrapper("f"), "proxychains4": Wrapper("f"),
        "faketime": Wrapper("f", skip: 1), "catchsegv": Wrapper(), "dumb-init": Wrapper("r", ["rewrite"]),
        "tini": Wrapper("pe"), "catatonit": Wrapper(), "caffeinate": Wrapper("tw"),
        "sem": Wrapper("jS", ["id", "jobs"]),

        // Time, priority and limits
        "nice": Wrapper("n", ["adjustment"], attached: "0123456789"),
        "ionice": Wrapper(
            "cnpPu", ["class", "classdata", "pid", "pgid", "uid"],
            inert: ["-p", "-P", "-u", "--pid", "--pgid", "--uid"]),
        "timeout": Wrapper("sk", ["signal", "kill-after"], skip: 1), "time": Wrapper("fo", ["format", "output"]),
        "chrt": Wrapper(
            "TPD", ["sched-runtime", "sched-period", "sched-deadline"], skip: 1, inert: ["-p", "--pid", "-m", "--max"]),
        "taskset": Wrapper(skip: 1, inert: ["-p", "--pid"]),
        "numactl": Wrapper(
            "iNCmpPwlf",
            [
                "interleave", "cpunodebind", "physcpubind", "membind", "preferred", "preferred-many", "length",
                "offset",
                "shmmode", "shmid", "file", "shm",
            ], inert: ["-H", "--hardware", "-s", "--show"]),
        "prlimit": Wrapper("po", ["pid", "output"], attached: "cdefilmnqrstuvxy", inert: ["-p", "--pid"]),
        "cgexec": Wrapper("g"), "cpulimit": Wrapper("lpe", ["limit", "pid", "exe"]), "trickle": Wrapper("duwtlLPN"),
        "flock": Wrapper(
            "wEc", ["wait", "timeout", "conflict-exit-code", "command"], skip: 1, text: ["-c", "--command"]),
        "watch": Wrapper("nqs", ["interval", "equexit", "shotsdir"], runsText: true),
        "hyperfine": Wrapper(
            "wmMrpcsSLnuiN", ["warmup", "runs", "prepare", "cleanup", "setup", "shell"], runsText: true),
        "systemd-run": Wrapper(
            "MHptEu",
            [
                "machine", "host", "property", "unit", "description", "slice", "uid", "gid", "nice",
                "working-directory",
                "setenv", "service-type", "on-active", "on-boot", "on-startup", "on-unit-active", "on-unit-inactive",
                "on-calendar", "timer-property", "path-property", "socket-property", "background", "job-mode",
            ], directory: ["--working-directory"], shell: ["-S", "--shell"]),
        "systemd-inhibit": Wrapper("", ["what", "who", "why", "mode"], inert: ["--list"]),
        "systemd-cat": Wrapper("tp", ["identifier", "priority", "stderr-priority", "level-prefix", "namespace"]),

        // Namespaces and roots
        "chroot": Wrapper("", ["userspec", "groups"], skip: 1, shell: ["*"]),
        "nsenter": Wrapper(
            "tSG", ["target", "setuid", "setgid"], attached: "muinpCUTrwW", shell: ["*"]),
        "unshare": Wrapper(
            "RwSG",
            [
                "root", "wd", "setuid", "setgid", "propagation", "setgroups", "map-user", "map-group", "map-users",
                "map-groups", "monotonic", "boottime", "owner",
            ], attached: "muinpCUT", shell: ["*"]),
        "setarch": Wrapper(skip: 1, shell: ["*"]), "linux32": Wrapper(shell: ["*"]), "linux64": Wrapper(shell: ["*"]),
        "i386": Wrapper(), "x86_64": Wrapper(), "proot": Wrapper("rbqwkvR0", directory: ["-w"]),
        "firejail": Wrapper(),
        "systemd-nspawn": Wrapper(
            "DiMuSpEUbL",
            ["directory", "image", "machine", "user", "slice", "property", "setenv", "bind", "bind-ro", "chdir"]),
        "machinectl": Wrapper(
            "EHMpnosu", ["setenv", "host", "machine", "uid", "property", "lines", "output", "signal"]),
        "lxc-attach": Wrapper(
            "nefPsauvog", ["name", "elevated-privileges", "arch", "namespaces", "clear-env", "set-var"],
            shell: ["*"]),
        "busybox": Wrapper(inert: ["--list", "--install"]), "toybox": Wrapper(inert: ["--list"]),

        // Watching a program
        "strace": Wrapper(
            "abeEIkoOpPsSuUxX",
            ["attach", "output", "trace", "env", "user", "string-limit", "columns", "summary-sort-by", "detach-on"],
            attached: "x"),
        "ltrace": Wrapper("aAeFlnopsuxXw", ["output", "library", "config", "align"]),
        "valgrind": Wrapper(), "perf": Wrapper("eopCGcFDr", ["event", "output", "pid", "cpu", "repeat"], skip: 1),
        "catch": Wrapper(), "entr": Wrapper(),
        "sshpass": Wrapper("pfdeP", attached: "e"),
        "start-stop-daemon": Wrapper(
            "xapnusgkcdNPIrmRK", ["exec", "startas", "pidfile", "name", "user", "signal", "retry", "chuid", "chdir"]),
        "daemonize": Wrapper("acepluoEvL", directory: ["-c"]), "expect_unbuffer": Wrapper(),
    ]

    /// The loader of programs can run one by its path.
    static func wrapper(named name: String) -> Wrapper? {
        if let wrapper = wrappers[name] { return wrapper }
        if name.hasPrefix("ld-linux") || name.hasPrefix("ld-musl") || name == "ld.so" {
            return Wrapper("", ["library-path", "preload", "audit", "argv0", "inhibit-rpath"])
        }
        return nil
    }
}
