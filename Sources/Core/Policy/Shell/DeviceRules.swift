// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

/// D3 and D7: programs that write to a block device or a file of accounts, by what they are given.
enum DeviceRules {
    static func finding(
        _ name: String, _ arguments: ArraySlice<ShellArgument>, in directory: String?, at position: Int?
    ) -> ShellFinding? {
        if name.hasPrefix("mkfs") || formatters.contains(name) {
            return operand(arguments, in: directory, unknownToo: true, "makes a file system on", position)
        }
        for argument in written(name, arguments) {
            guard let refusal = ProtectedPaths.refusalToWrite(argument, in: directory) else { continue }
            return ShellFinding(refusal.rule, "it \(refusal.what)", at: argument.position ?? position)
        }
        guard let erasing = erasers[name], erasing.isEmpty || arguments.contains(where: { erasing.contains($0.text) })
        else {
            return nil
        }
        return operand(arguments, in: directory, unknownToo: false, "erases", position)
    }

    private static let formatters: Set<String> = [
        "mke2fs", "mkswap", "mkdosfs", "mkntfs", "mkexfatfs", "mkudffs", "newfs", "blkdiscard", "pvcreate",
        "mkreiserfs",
    ]
    /// What erases or partitions a device, and the words that say so; none where it always does.
    private static let erasers: [String: Set<String>] = [
        "wipefs": ["-a", "--all", "-af", "-fa", "-o", "--offset", "-qa", "-aq", "--al"],
        "shred": [], "wipe": [], "scrub": [], "nwipe": [],
        "badblocks": ["-w", "-wsv", "-wv", "-ws", "-svw", "-n"],
        "parted": ["mklabel", "mktable", "mkpart", "rm", "resizepart"],
        "sgdisk": ["-Z", "--zap-all", "-z", "--zap", "-o", "--clear", "-d", "--delete", "-n", "--new"],
        "sfdisk": ["--delete", "--wipe"],
        "hdparm": ["--security-erase", "--security-erase-enhanced", "--trim-sector-ranges"],
        "nvme": ["format", "sanitize"], "cryptsetup": ["luksFormat", "erase", "luksErase", "reencrypt"],
        "mdadm": ["--zero-superblock", "--create", "-C"], "dmsetup": ["remove", "wipe_table"],
        "sg_format": [], "zpool": ["create", "labelclear"], "dcfldd": [], "debugfs": ["-w"],
    ]

    private static func operand(
        _ arguments: ArraySlice<ShellArgument>, in directory: String?, unknownToo: Bool, _ what: String,
        _ position: Int?
    ) -> ShellFinding? {
        for argument in arguments {
            if let path = ProtectedPaths.path(argument, in: directory), ProtectedPaths.isDevice(path) {
                return ShellFinding("D3", "it \(what) \(path)", at: argument.position ?? position)
            }
            let known = argument.knownText
            if argument.isDynamic, unknownToo && argument.isBare || known.hasPrefix("/dev/") {
                return ShellFinding(
                    "D3", "it \(what) a device that is only known when it runs", at: argument.position ?? position)
            }
        }
        return nil
    }

    /// Which of a program's arguments are files that it writes.
    private enum Writer {
        /// `of=FILE`.
        case blocks
        /// Every operand.
        case operands
        /// The last operand, or a directory that an option names.
        case target
        case curl, wget
        /// The second operand.
        case second
    }

    private static let writers: [String: Writer] = [
        "dd": .blocks, "dcfldd": .blocks, "dc3dd": .blocks,
        "tee": .operands, "sponge": .operands, "truncate": .operands, "shred": .operands, "gtee": .operands,
        "cp": .target, "mv": .target, "install": .target, "ln": .target, "gcp": .target, "rsync": .target,
        "scp": .target, "curl": .curl, "wget": .wget, "ddrescue": .second,
    ]

    /// The files that a command writes, as far as its arguments say.
    static func written(_ name: String, _ arguments: ArraySlice<ShellArgument>) -> [ShellArgument] {
        switch writers[name] {
        case .blocks:
            return arguments.filter { $0.text.hasPrefix("of=") || $0.text.hasPrefix("ofs=") }
                .map { $0.dropping($0.text.hasPrefix("ofs=") ? 4 : 3) }
        case .operands:
            let letters = name == "truncate" ? "sr" : name == "shred" ? "ns" : ""
            return CommandOptions(
                arguments, OptionSpecification(letters: letters, long: ["size", "reference", "iterations"]),
                inOrder: false
            ).operands
        case .target:
            let options = CommandOptions(
                arguments,
                OptionSpecification(
                    letters: name == "install"
                        ? "tSmog" : name == "rsync" ? "eBTMf" : name == "scp" ? "cFiJloPSX" : "tS",
                    long: ["target-directory", "suffix", "mode", "owner", "group", "rsh"]), inOrder: false)
            let targets = options.values(["-t", "--target-directory"])
            return targets + (targets.isEmpty ? options.operands.dropFirst(1).suffix(1) : [])
        case .curl:
            return CommandOptions(
                arguments, OptionSpecification(letters: "oXHdAbceFmTuUxwyYzDEKrtC", long: ["output"]), inOrder: false
            ).values(["-o", "--output"])
        case .wget:
            return CommandOptions(
                arguments, OptionSpecification(letters: "OoaePTtwQUi", long: ["output-document", "output-file"]),
                inOrder: false
            ).values(["-O", "--output-document", "-o"])
        case .second: return Array(arguments.filter { !$0.text.hasPrefix("-") }.dropFirst().prefix(1))
        case nil: return []
        }
    }
}
