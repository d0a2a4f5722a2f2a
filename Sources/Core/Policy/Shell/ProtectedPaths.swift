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

    /// A part of a path, between slashes.
    private enum Component: Equatable {
        /// A name that is known.
        case name(String)
        /// The home directory.
        case home
        /// A pattern, or something that is not known to the end.
        case pieces([ShellPiece])

        init(_ pieces: ArraySlice<ShellPiece>) {
            var bytes: [UInt8] = []
            for piece in pieces {
                guard case .byte(let byte) = piece else {
                    self = pieces.count == 1 && piece == .home ? .home : .pieces(Array(pieces))
                    return
                }
                bytes.append(byte)
            }
            self = .name(String(decoding: bytes, as: UTF8.self))
        }

        /// Whether it is a pattern that says nothing about the name, such as `*`, `.*` or `[a-z]*`.
        var isAnyName: Bool {
            guard case .pieces(let pieces) = self else { return false }
            var sawGlob = false
            var inBracket = false
            for piece in pieces {
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

        /// The text, patterns as they are written; nil when some of it is not known.
        var text: String? {
            switch self {
            case .name(let name): return name
            case .home: return nil
            case .pieces(let pieces):
                var bytes: [UInt8] = []
                for piece in pieces {
                    switch piece {
                    case .byte(let byte), .glob(let byte): bytes.append(byte)
                    case .home, .unknown: return nil
                    }
                }
                return String(decoding: bytes, as: UTF8.self)
            }
        }
    }

    /// What a path reaches, each expansion in it as if it were empty unless it cannot be.
    static func reach(_ argument: ShellArgument, in directory: String?) -> Reach {
        guard let components = components(argument, in: directory) else { return .other }
        guard let first = components.first else { return .root }
        let isWhole = components.dropFirst().allSatisfy(\.isAnyName)
        switch first {
        case .home: return isWhole ? .directory : .other
        case .name(let name):
            return isWhole && (directories.contains(name) || name.hasPrefix("lib")) ? .directory : .other
        case .pieces(let pieces):
            guard isWhole, pieces.contains(where: { if case .glob = $0 { true } else { false } }) else { return .other }
            return first.isAnyName ? .root : .directory
        }
    }

    /// The components of an absolute path; nil when it is relative to a directory that is not known.
    private static func components(_ argument: ShellArgument, in directory: String?) -> [Component]? {
        var written: [Component] = []
        let isAbsolute: Bool
        if argument.isPlain {
            guard let first = argument.text.utf8.first else { return nil }
            isAbsolute = first == UInt8(ascii: "/")
            guard isAbsolute || directory != nil || climbs(argument) else { return nil }
            written = names(argument.text)
        } else {
            let pieces = argument.pieces.filter {
                if case .unknown(let unknown) = $0 { !unknown.mayBeEmpty } else { true }
            }
            let slash = ShellPiece.byte(UInt8(ascii: "/"))
            guard let first = pieces.first else { return nil }
            isAbsolute = first == slash || first == .home
            guard isAbsolute || directory != nil || climbs(argument) else { return nil }
            written = pieces.split(separator: slash).map(Component.init)
        }
        if !isAbsolute, let directory { written = names(directory) + written }
        return collapsed(written)
    }

    /// Whether a relative path has enough steps up to end at the root wherever it begins.
    private static func climbs(_ argument: ShellArgument) -> Bool { argument.text.hasPrefix("../../../../") }

    private static func names(_ path: String) -> [Component] {
        path.utf8.split(separator: UInt8(ascii: "/")).map { .name(String(Substring($0))) }
    }

    private static func collapsed(_ written: [Component]) -> [Component] {
        var components: [Component] = []
        components.reserveCapacity(written.count)
        for component in written {
            switch component {
            case .name("."): continue
            case .name(".."):
                // Above a home are the homes.
                if components == [.home] {
                    components = [.name("home")]
                } else if !components.isEmpty {
                    components.removeLast()
                }
            default: components.append(component)
            }
        }
        return components
    }

    /// Whether a text is an absolute path in which nothing can be collapsed, as most that are written are.
    private static func isCollapsed(_ text: String) -> Bool {
        guard text.utf8.first == UInt8(ascii: "/"), text.utf8.count > 1 else { return false }
        var previous: UInt8 = 0
        for byte in text.utf8 {
            if previous == UInt8(ascii: "/"), byte == UInt8(ascii: "/") || byte == UInt8(ascii: ".") { return false }
            previous = byte
        }
        return previous != UInt8(ascii: "/")
    }

    /// The path as text, collapsed; nil when some of it is not known.
    static func path(_ argument: ShellArgument, in directory: String?) -> String? {
        if argument.isPlain, isCollapsed(argument.text) { return argument.text }
        guard let components = components(argument, in: directory) else { return nil }
        var result = ""
        for component in components {
            guard let text = component.text else { return nil }
            result += "/"
            result += text
        }
        return result.isEmpty ? "/" : result
    }

    // What may not be written

    private static let diskPrefixes = ["sd", "vd", "xvd", "hd", "nvme", "mmcblk", "dm-", "md", "loop", "nbd", "sr"]
    private static let deviceDirectories = ["mapper/", "disk/", "block/", "zvol/"]
    private static let memory: Set<String> = ["mem", "kmem", "port", "nvram"]
    private static let accounts: Set<String> = [
        "/etc/passwd", "/etc/shadow", "/etc/sudoers", "/etc/group", "/etc/gshadow", "/etc/master.passwd",
    ]

    /// Whether a collapsed path is a block device or the memory.
    static func isDevice(_ path: String) -> Bool {
        guard path.hasPrefix("/dev/") else { return false }
        let name = String(Substring(path.utf8.dropFirst("/dev/".utf8.count)))
        if memory.contains(name) || deviceDirectories.contains(where: { name.hasPrefix($0) }) { return true }
        guard !name.utf8.contains(UInt8(ascii: "/")) || name.hasPrefix("md/") else { return false }
        return diskPrefixes.contains { prefix in
            guard name.hasPrefix(prefix), let next = name.utf8.dropFirst(prefix.utf8.count).first else { return false }
            let isNumbered = prefix == "sr" || prefix == "md" || prefix == "nvme" || prefix == "loop"
            return !isNumbered || (48...57).contains(next) || "*?[/".utf8.contains(next)
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
        guard argument.isPattern, let pattern = accounts.first(where: { covers(path, $0) }) else { return nil }
        return ("D7", "may write to \(pattern)")
    }

    /// Whether a pattern for file names may stand for a path: `?` and `*` only, which is all that is needed here.
    private static func covers(_ pattern: String, _ path: String) -> Bool {
        guard let star = pattern.firstIndex(where: { "*?[".contains($0) }) else { return pattern == path }
        return path.hasPrefix(pattern[..<star]) && pattern[..<star].count > "/etc/".count
    }
}
