// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

/// Which paths hold a system together, and how paths are compared: after joining to the working directory and
/// collapsing `//`, `.` and `..`.
enum ProtectedPaths {
    /// The directories of the top level that D1 and D4 protect, and all that begin with `lib`.
    static let directories: Set<String> = [
        "bin", "boot", "dev", "etc", "home", "media", "mnt", "opt", "proc", "root", "run", "sbin", "srv", "sys", "usr",
        "var",
    ]

    /// What an operand stands for.
    enum Reach: Sendable, Hashable {
        /// The root, or all of its entries.
        case root
        /// A protected directory, a home, or all of the entries of one.
        case directory
        /// Anything else.
        case other
    }

    /// What a path reaches, each expansion in it as if it were empty unless it cannot be.
    static func reach(_ argument: ShellArgument, in directory: String?) -> Reach {
        let components = components(argument, in: directory)
        guard let components else { return .other }
        guard let first = components.first else { return .root }
        let rest = components.dropFirst()
        if first == [.home] {
            return rest.allSatisfy(isAnyName) ? .directory : .other
        }
        guard let name = literal(first) else {
            guard first.contains(where: { if case .glob = $0 { true } else { false } }) else { return .other }
            guard rest.allSatisfy(isAnyName) else { return .other }
            return isAnyName(first) ? .root : .directory
        }
        guard directories.contains(name) || name.hasPrefix("lib") else { return .other }
        return rest.allSatisfy(isAnyName) ? .directory : .other
    }

    /// The components of an absolute path; nil when it is relative to a directory that is not known.
    static func components(_ argument: ShellArgument, in directory: String?) -> [[ShellPiece]]? {
        var pieces = argument.pieces.filter {
            if case .unknown(let unknown) = $0 { !unknown.mayBeEmpty } else { true }
        }
        let slash = ShellPiece.byte(UInt8(ascii: "/"))
        guard let first = pieces.first else { return nil }
        if first != slash, first != .home {
            if let directory {
                pieces = (directory + "/").utf8.map { .byte($0) } + pieces
            } else {
                // Enough steps up end at the root wherever they began.
                guard argument.text.hasPrefix("../../../../") else { return nil }
                pieces.insert(slash, at: 0)
            }
        }
        var components: [[ShellPiece]] = []
        for component in pieces.split(separator: slash, omittingEmptySubsequences: true) {
            switch literal(component) {
            case ".": continue
            case "..":
                // Above a home are the homes.
                if components == [[.home]] {
                    components = ["home".utf8.map { .byte($0) }]
                } else if !components.isEmpty {
                    components.removeLast()
                }
            default: components.append(Array(component))
            }
        }
        return components
    }

    /// The path as text, collapsed; nil when some of it is not known.
    static func path(_ argument: ShellArgument, in directory: String?) -> String? {
        guard let components = components(argument, in: directory) else { return nil }
        var result = ""
        for component in components {
            guard let name = literal(component, withGlobs: true) else { return nil }
            result += "/" + name
        }
        return result.isEmpty ? "/" : result
    }

    /// The known text of pieces, or nil.
    private static func literal(_ pieces: some Collection<ShellPiece>, withGlobs: Bool = false) -> String? {
        var bytes: [UInt8] = []
        for piece in pieces {
            switch piece {
            case .byte(let byte): bytes.append(byte)
            case .glob(let byte):
                guard withGlobs else { return nil }
                bytes.append(byte)
            case .home, .unknown: return nil
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Whether a component is a pattern that says nothing about the name, such as `*`, `.*` or `[a-z]*`.
    private static func isAnyName(_ component: [ShellPiece]) -> Bool {
        var sawGlob = false
        var inBracket = false
        for piece in component {
            switch piece {
            case .glob(let byte):
                sawGlob = true
                if byte == UInt8(ascii: "[") { inBracket = true }
                if byte == UInt8(ascii: "]") { inBracket = false }
            case .byte(UInt8(ascii: ".")): continue
            case .byte: if !inBracket { return false }
            case .home, .unknown: return false
            }
        }
        return sawGlob
    }

    // What may not be written

    private static let diskPrefixes = ["sd", "vd", "xvd", "hd", "nvme", "mmcblk", "dm-", "md", "loop", "nbd", "sr"]
    private static let memory: Set<String> = ["mem", "kmem", "port", "nvram"]
    private static let accounts: Set<String> = [
        "/etc/passwd", "/etc/shadow", "/etc/sudoers", "/etc/group", "/etc/gshadow", "/etc/master.passwd",
    ]

    /// Whether a collapsed path is a block device or the memory.
    static func isDevice(_ path: String) -> Bool {
        guard path.hasPrefix("/dev/") else { return false }
        let name = path.dropFirst("/dev/".count)
        if ["mapper/", "disk/", "block/", "zvol/"].contains(where: { name.hasPrefix($0) }) { return true }
        if memory.contains(String(name)) { return true }
        guard !name.contains("/") || name.hasPrefix("md/") else { return false }
        return diskPrefixes.contains { prefix in
            guard name.hasPrefix(prefix), let next = name.dropFirst(prefix.count).first else { return false }
            return prefix == "sr" || prefix == "md" || prefix == "nvme" || prefix == "loop"
                ? "0123456789*?[/".contains(next) : true
        }
    }

    /// Which rule forbids writing to a path.
    static func refusalToWrite(_ argument: ShellArgument, in directory: String?) -> (rule: String, what: String)? {
        if argument.isDynamic {
            // What is known of it may say enough: /dev/sd$X.
            let known = ShellArgument(argument.knownText)
            if let path = path(known, in: directory), isDevice(path + "a") || isDevice(path + "0") {
                return ("D3", "writes to a block device")
            }
        }
        guard let path = path(argument, in: directory) else { return nil }
        if isDevice(path) { return ("D3", "writes to the device \(path)") }
        if path == "/proc/sysrq-trigger" { return ("D2", "writes to /proc/sysrq-trigger") }
        if accounts.contains(path) || path.hasPrefix("/etc/sudoers.d/") { return ("D7", "writes to \(path)") }
        if let pattern = accounts.first(where: { argument.isPattern && covers(path, $0) }) {
            return ("D7", "may write to \(pattern)")
        }
        return nil
    }

    /// Whether a pattern for file names may stand for a path: `?` and `*` only, which is all that is needed here.
    private static func covers(_ pattern: String, _ path: String) -> Bool {
        guard let star = pattern.firstIndex(where: { "*?[".contains($0) }) else { return pattern == path }
        return path.hasPrefix(pattern[..<star]) && pattern[..<star].count > "/etc/".count
    }
}
