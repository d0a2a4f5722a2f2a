// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

/// D2: what stops or restarts the host. D6: what signals all of its programs.
enum ShutdownRules {
    /// How a program's arguments say that it stops the host.
    private enum Kind {
        /// Whatever they are.
        case always
        case runLevel, kexec, manager, alarm, bus, signal
    }

    private static let kinds: [String: Kind] = [
        "shutdown": .always, "reboot": .always, "halt": .always, "poweroff": .always, "pm-suspend": .always,
        "pm-hibernate": .always, "pm-suspend-hybrid": .always, "openrc-shutdown": .always, "fastboot": .always,
        "fasthalt": .always,
        "init": .runLevel, "telinit": .runLevel, "kexec": .kexec, "systemctl": .manager, "loginctl": .manager,
        "rtcwake": .alarm, "dbus-send": .bus, "busctl": .bus, "gdbus": .bus, "qdbus": .bus,
        "kill": .signal, "killall5": .signal,
    ]
    private static let runLevels: Set<String> = ["0", "1", "6", "s", "S", "single", "emergency", "rescue"]
    private static let verbs: Set<String> = [
        "poweroff", "reboot", "halt", "kexec", "suspend", "hibernate", "hybrid-sleep", "suspend-then-hibernate",
        "sleep", "rescue", "emergency", "soft-reboot", "exit", "switch-root", "default-poweroff",
    ]
    private static let starters: Set<String> = [
        "isolate", "start", "restart", "try-restart", "reload-or-restart", "condrestart", "force-reload",
    ]
    private static let targets: Set<String> = [
        "poweroff", "reboot", "halt", "kexec", "suspend", "hibernate", "hybrid-sleep", "suspend-then-hibernate",
        "sleep", "rescue", "emergency", "soft-reboot", "exit", "shutdown", "final", "umount", "ctrl-alt-del",
        "runlevel0", "runlevel1", "runlevel6", "factory-reset",
    ]
    private static let systemctl = OptionSpecification(
        letters: "tpPnosHMC",
        long: [
            "type", "state", "property", "lines", "output", "signal", "host", "machine", "root", "image", "job-mode",
            "kill-whom", "kill-value", "preset-mode", "check-inhibitors", "what", "when", "message", "boot-loader-menu",
            "boot-loader-entry", "reboot-argument", "timestamp", "legend", "image-policy", "drop-in", "capsule",
        ])

    static func finding(_ name: String, _ arguments: ArraySlice<ShellArgument>, at position: Int?) -> ShellFinding? {
        switch kinds[name] {
        case .always: return refusal(name, position)
        case .runLevel:
            let level = arguments.first { !$0.text.hasPrefix("-") }
            guard let level, runLevels.contains(level.text) || level.isDynamic else { return nil }
            return refusal("\(name) \(level.text)", position)
        case .kexec:
            let options = CommandOptions(arguments, OptionSpecification(), inOrder: false)
            return options.has("-e", "-f", "--exec", "--force") ? refusal("kexec", position) : nil
        case .manager: return manager(name, arguments, position)
        case .alarm:
            let modes = CommandOptions(arguments, OptionSpecification(letters: "mst", long: ["mode"])).values([
                "-m", "--mode",
            ])
            return modes.contains { ["off", "mem", "disk", "standby", "freeze"].contains($0.text) }
                ? refusal("rtcwake", position) : nil
        case .bus:
            return byBus(arguments) ? refusal("a call of the service manager", position) : nil
        case .signal: return signal(name, arguments, position)
        case nil: return nil
        }
    }

    private static func refusal(_ what: String, _ position: Int?) -> ShellFinding {
        ShellFinding("D2", "\(what) stops or restarts the host", at: position)
    }

    private static func manager(
        _ name: String, _ arguments: ArraySlice<ShellArgument>, _ position: Int?
    ) -> ShellFinding? {
        let operands = CommandOptions(arguments, systemctl, inOrder: false).operands
        guard let verb = operands.first else { return nil }
        if verb.isDynamic {
            return ShellFinding("D2", "what \(name) shall do is an expansion; write the verb", at: verb.position)
        }
        if verbs.contains(verb.text) { return refusal("\(name) \(verb.text)", position) }
        guard name == "systemctl", starters.contains(verb.text) else { return nil }
        for unit in operands.dropFirst() {
            // `isolate` takes a name without an ending for a target.
            let name =
                verb.text == "isolate" && !unit.text.utf8.contains(UInt8(ascii: "."))
                ? unit.text + ".target" : unit.text
            let isTarget = name.hasSuffix(".target") && targets.contains(String(name.dropLast(".target".count)))
            let isService =
                name.hasPrefix("systemd-") && name.hasSuffix(".service")
                && targets.contains(String(name.dropFirst("systemd-".count).dropLast(".service".count)))
            if isTarget || isService { return refusal("systemctl \(verb.text) \(name)", position) }
        }
        return nil
    }

    private static func byBus(_ arguments: ArraySlice<ShellArgument>) -> Bool {
        let words = arguments.map(\.text)
        let acts = ["Reboot", "PowerOff", "Halt", "Suspend", "Hibernate", "HybridSleep", "KExec", "SoftReboot"]
        return words.contains { $0.contains("login1") || $0.contains("systemd1") || $0.contains("ConsoleKit") }
            && words.contains { word in
                acts.contains { word == $0 || word.hasSuffix("." + $0) || word == "\($0)WithFlags" }
            }
    }

    private static func signal(
        _ name: String, _ arguments: ArraySlice<ShellArgument>, _ position: Int?
    ) -> ShellFinding? {
        if name == "killall5" { return ShellFinding("D6", "killall5 signals every program of the host", at: position) }
        var rest = arguments
        var mayBeSignal = true
        /// Signal 0 only asks whether a process is there.
        var asksOnly = false
        var processes: [ShellArgument] = []
        while let argument = rest.popFirst() {
            let text = argument.text
            if processes.isEmpty, ["-l", "-L", "--list", "--table"].contains(text) { return nil }
            if text == "--" {
                processes += rest
                break
            }
            if mayBeSignal, text.hasPrefix("-"), text.count > 1 {
                if ["-s", "-n", "--signal", "-q", "--queue"].contains(text) {
                    let value = rest.popFirst()?.text
                    if text != "-q", text != "--queue" { asksOnly = value == "0" }
                } else if text == "-0" {
                    asksOnly = true
                }
                // What follows the signal is a process, also when it is negative.
                if !text.hasPrefix("--") { mayBeSignal = false }
                if text == "-1", rest.isEmpty { processes.append(argument) }
                continue
            }
            processes.append(argument)
        }
        // Another signal may still follow, as in `kill -s 0 -s 9 1`.
        if asksOnly, processes.allSatisfy({ !$0.isDynamic && !$0.text.hasPrefix("-") }) { return nil }
        let reachesAll = processes.contains { process in
            let digits = process.text.filter { $0 != " " && $0 != "\t" }
            return Int(digits) == 1 || Int(digits) == -1
        }
        guard reachesAll else { return nil }
        return ShellFinding("D6", "it signals process 1 or every process of the host", at: position)
    }
}
