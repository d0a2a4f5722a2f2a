// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import CKernel
import Core
import Glibc

/// Where tasks may read and write files: below a few directories, reached without any link, and never the agent's own.
///
/// What is checked is what is used: a location holds its directory open, so that nothing that happens to the path
/// afterwards leads elsewhere.
struct PathPolicy: Sendable {
    /// What is wanted of a file.
    enum Access: String, Sendable {
        /// It exists.
        case read
        /// It exists and is replaced, or it is new in a directory that exists.
        case write
    }

    /// A file that may be read or written: an open directory and a name in it.
    struct Location: Sendable {
        /// The directory, open for looking up only.
        let directory: OpenDirectory
        /// The file's name in it.
        let name: String
        /// The whole path, without superfluous slashes.
        let path: String
        /// Whether the file exists.
        let exists: Bool
    }

    /// Anything below the directories, or one of them.
    struct Place: Sendable {
        /// The directory it is in; for one of the directories itself, that.
        let directory: OpenDirectory
        /// Its name there; nil for one of the directories itself.
        let name: String?
        /// The whole path, without superfluous slashes.
        let path: String
        /// Whether the agent's own files are below it.
        let holdsOwnFiles: Bool

        /// What it is, links not followed. Throws `not_found` when it is not there.
        func status() throws(DeployError) -> FileStatus {
            guard let name else { return try directory.status() }
            guard let status = try directory.status(of: name) else {
                throw DeployError(.notFound, "\(path.prefix(200)) does not exist on this host")
            }
            return status
        }
    }

    /// Absolute paths of the directories, without superfluous slashes.
    let roots: [String]
    /// What no task reaches: the agent's own files and directories, by their real paths.
    private let own: [[String]]
    private let ownPaths: [String]
    private let walk: DirectoryWalk

    /// - Parameters:
    ///   - roots: Absolute paths; throws `invalid_argument` for another.
    ///   - own: Files and directories of the agent's own, which are out of reach wherever they are.
    ///   - walk: How to go down.
    init(roots: [String], excluding own: [String] = [], walk: DirectoryWalk = .kernel) throws(DeployError) {
        var cleaned: [String] = []
        for root in roots {
            guard root.hasPrefix("/"), let parts = Self.components(root), !parts.contains("..") else {
                throw DeployError(.invalidArgument, "the directory '\(root.prefix(200))' is not an absolute path")
            }
            cleaned.append("/" + parts.joined(separator: "/"))
        }
        self.roots = cleaned
        self.own = own.compactMap { Self.components(Self.real($0)) }
        ownPaths = own
        self.walk = walk
    }

    /// The directories of the agent's own that are there now.
    var hidden: Set<FileStatus.Identity> {
        Set(ownPaths.compactMap { (try? OpenDirectory($0).status())?.identity })
    }

    /// The file a task names.
    ///
    /// Throws `invalid_argument` for what is no path of a file, `not_found` for what is not there, and `forbidden` for what
    /// is outside the directories, behind a link, the agent's own, or not a regular file of its own.
    ///
    /// - Parameter maker: Makes directories that are missing on the way; nil where they must be there.
    func locate(
        _ path: String, for access: Access, making maker: DirectoryMaker? = nil
    ) throws(DeployError) -> Location {
        guard !Self.endsAsDirectory(path) else { throw notAFile(path) }
        let (root, parts) = try place(path)
        guard let name = parts.last else { throw DeployError(.forbidden, "\(shown(path)) is a directory, not a file") }
        _ = try holdsOwnFiles(root, parts)
        let directory = try self.directory(Array(parts.dropLast()), below: root, maker)
        let kind = try directory.kind(of: name)
        switch kind {
        case .file: break
        case .missing:
            if access == .read { throw DeployError(.notFound, "\(shown(path)) does not exist on this host") }
        case .linkedFile:
            throw DeployError(.forbidden, "\(shown(path)) has other names elsewhere (hard links)")
        case .directory: throw DeployError(.forbidden, "\(shown(path)) is a directory, not a file")
        case .link: throw DeployError(.forbidden, "\(shown(path)) is a symbolic link")
        case .other: throw DeployError(.forbidden, "\(shown(path)) is not a regular file")
        }
        return Location(
            directory: directory, name: name, path: Self.whole(root, parts), exists: kind == .file)
    }

    /// Whatever a task names, be it there or not; its directory must be.
    ///
    /// Throws as ``locate(_:for:making:)``, but takes any kind of thing and a slash at the end.
    func reach(_ path: String, making maker: DirectoryMaker? = nil) throws(DeployError) -> Place {
        let (root, parts) = try place(path)
        let holdsOwn = try holdsOwnFiles(root, parts)
        let directory = try self.directory(Array(parts.dropLast()), below: root, maker)
        return Place(
            directory: directory, name: parts.last, path: Self.whole(root, parts), holdsOwnFiles: holdsOwn)
    }

    /// Checks the path alone: whether it is one of a file that a task might bring. Throws as ``locate(_:for:making:)``.
    func checkTarget(_ path: String) throws(DeployError) {
        guard !Self.endsAsDirectory(path) else { throw notAFile(path) }
        let (root, parts) = try place(path)
        guard !parts.isEmpty else { throw DeployError(.forbidden, "\(shown(path)) is a directory, not a file") }
        _ = try holdsOwnFiles(root, parts)
    }

    /// Checks one member of an archive that would be unpacked into a directory. Only plain files and directories are taken.
    ///
    /// Throws as ``locate(_:for:making:)``. Directories that do not exist yet would be made.
    func checkMember(_ member: String, isDirectory: Bool, in destination: String) throws(DeployError) {
        guard !member.hasPrefix("/"), var parts = Self.components(member) else {
            throw DeployError(.invalidArgument, "the archive's member has an absolute or bad path")
        }
        if isDirectory, member.hasSuffix("/") { parts = parts.filter { !$0.isEmpty } }
        guard !parts.isEmpty || isDirectory, isDirectory || !Self.endsAsDirectory(member) else {
            throw DeployError(.invalidArgument, "the archive's member has no name")
        }
        for part in parts { try FileNames.checkComponent(part) }
        guard !Self.endsAsDirectory(destination) else { throw notAFile(destination) }
        let (root, above) = try place(destination)
        var directory = try walk.open(above, below: try OpenDirectory(root))
        for (index, part) in parts.enumerated() {
            let kind = try directory.kind(of: part)
            let isLast = index == parts.count - 1
            switch (kind, isLast && !isDirectory) {
            case (.missing, _): return
            case (.directory, false): directory = try walk.open([part], below: directory)
            case (.file, true): return
            default:
                throw DeployError(.forbidden, "the archive's member '\(shown(member))' is in the way of something else")
            }
        }
    }

    // MARK: Steps

    private func directory(
        _ parts: [String], below root: String, _ maker: DirectoryMaker?
    ) throws(DeployError) -> OpenDirectory {
        let top = try OpenDirectory(root)
        guard let maker else { return try walk.open(parts, below: top) }
        do throws(DeployError) {
            return try walk.open(parts, below: top)
        } catch {
            guard error.code == .notFound else { throw error }
        }
        var directory = top
        for part in parts { directory = try maker.enter(part, in: directory, walk) }
        return directory
    }

    /// The directory a path is below, and the parts that lead on from there.
    private func place(_ path: String) throws(DeployError) -> (root: String, parts: [String]) {
        guard path.hasPrefix("/"), path.utf8.count <= FileNames.maximumPathBytes else {
            throw DeployError(.invalidArgument, "'\(shown(path))' is not an absolute path within 4095 bytes")
        }
        guard let parts = Self.components(path) else { throw notAFile(path) }
        for part in parts { try FileNames.checkComponent(part) }
        let found = roots.compactMap { root -> (String, [String])? in
            let above = root.split(separator: "/").map(String.init)
            guard Self.begins(parts, with: above) else { return nil }
            return (root, Array(parts.dropFirst(above.count)))
        }
        guard let nearest = found.min(by: { $0.1.count < $1.1.count }) else {
            throw DeployError(
                .forbidden, "\(shown(path)) is outside the directories for files",
                hint: roots.isEmpty ? "this agent has none" : "they are: \(roots.joined(separator: ", "))")
        }
        return nearest
    }

    /// Throws `forbidden` for the agent's own files; whether some are below it.
    private func holdsOwnFiles(_ root: String, _ parts: [String]) throws(DeployError) -> Bool {
        guard !own.isEmpty, let above = Self.components(Self.real(root)) else { return false }
        let real = above + parts
        guard !own.contains(where: { Self.begins(real, with: $0) }) else {
            throw DeployError(
                .forbidden, "\(shown(Self.whole(root, parts))) is one of the agent's own files or directories")
        }
        return own.contains { Self.begins($0, with: real) }
    }

    // MARK: Text

    /// Byte for byte: Swift's own comparison takes different spellings of a letter for the same.
    private static func begins(_ parts: [String], with above: [String]) -> Bool {
        above.count <= parts.count && zip(above, parts).allSatisfy { $0.utf8.elementsEqual($1.utf8) }
    }

    /// Without links, as far as it exists.
    private static func real(_ path: String) -> String {
        guard let found = realpath(path, nil) else { return path }
        defer { free(found) }
        return String(cString: found)
    }

    private static func whole(_ root: String, _ parts: [String]) -> String {
        let path = ([root == "/" ? "" : root] + parts).joined(separator: "/")
        return path.isEmpty ? "/" : path
    }

    /// The parts of a path without empty ones and `.`; nil when there is a NUL.
    private static func components(_ path: String) -> [String]? {
        guard !path.utf8.contains(0) else { return nil }
        return path.utf8.split(separator: UInt8(ascii: "/")).map { String(Substring($0)) }.filter { $0 != "." }
    }

    private static func endsAsDirectory(_ path: String) -> Bool {
        path.utf8.last == UInt8(ascii: "/") || path == "." || path.hasSuffix("/.")
    }

    private func notAFile(_ path: String) -> DeployError {
        DeployError(.invalidArgument, "'\(shown(path))' is not the path of a file")
    }

    private func shown(_ path: String) -> String { String(path.prefix(200)) }
}
