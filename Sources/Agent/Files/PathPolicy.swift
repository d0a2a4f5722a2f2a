// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import CKernel
import Core
import Glibc

/// Where tasks may read and write files: regular files below a few directories, reached without any link.
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

    /// Absolute paths of the directories, without superfluous slashes.
    let roots: [String]
    private let walk: DirectoryWalk

    /// - Parameters:
    ///   - roots: Absolute paths; throws `invalid_argument` for another.
    ///   - walk: How to go down.
    init(roots: [String], walk: DirectoryWalk = .kernel) throws(DeployError) {
        var cleaned: [String] = []
        for root in roots {
            guard root.hasPrefix("/"), let parts = Self.components(root), !parts.contains("..") else {
                throw DeployError(.invalidArgument, "the directory '\(root.prefix(200))' is not an absolute path")
            }
            cleaned.append("/" + parts.joined(separator: "/"))
        }
        self.roots = cleaned
        self.walk = walk
    }

    /// The file a task names.
    ///
    /// Throws `invalid_argument` for what is no path of a file, `not_found` for what is not there, and `forbidden` for what
    /// is outside the directories, behind a link, or not a regular file of its own.
    func locate(_ path: String, for access: Access) throws(DeployError) -> Location {
        let (root, parts) = try place(path)
        guard let name = parts.last else { throw DeployError(.forbidden, "\(shown(path)) is a directory, not a file") }
        let directory = try walk.open(Array(parts.dropLast()), below: try OpenDirectory(root))
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
            directory: directory, name: name, path: ([root == "/" ? "" : root] + parts).joined(separator: "/"),
            exists: kind == .file)
    }

    /// Checks one member of an archive that would be unpacked into a directory. Only plain files and directories are taken.
    ///
    /// Throws as ``locate(_:for:)``. Directories that do not exist yet would be made.
    func checkMember(_ member: String, isDirectory: Bool, in destination: String) throws(DeployError) {
        guard !member.hasPrefix("/"), var parts = Self.components(member) else {
            throw DeployError(.invalidArgument, "the archive's member has an absolute or bad path")
        }
        if isDirectory, member.hasSuffix("/") { parts = parts.filter { !$0.isEmpty } }
        guard !parts.isEmpty || isDirectory, isDirectory || !Self.endsAsDirectory(member) else {
            throw DeployError(.invalidArgument, "the archive's member has no name")
        }
        for part in parts { try FileNames.checkComponent(part) }
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

    /// The directory a path is below, and the parts that lead on from there.
    private func place(_ path: String) throws(DeployError) -> (root: String, parts: [String]) {
        guard path.hasPrefix("/"), path.utf8.count <= FileNames.maximumPathBytes else {
            throw DeployError(.invalidArgument, "'\(shown(path))' is not an absolute path within 4095 bytes")
        }
        guard let parts = Self.components(path), !Self.endsAsDirectory(path) else {
            throw DeployError(.invalidArgument, "'\(shown(path))' is not the path of a file")
        }
        for part in parts { try FileNames.checkComponent(part) }
        let found = roots.compactMap { root -> (String, [String])? in
            let above = root.split(separator: "/").map(String.init)
            // Byte for byte: Swift's own comparison takes different spellings of a letter for the same.
            guard above.count <= parts.count, zip(above, parts).allSatisfy({ $0.utf8.elementsEqual($1.utf8) }) else {
                return nil
            }
            return (root, Array(parts.dropFirst(above.count)))
        }
        guard let nearest = found.min(by: { $0.1.count < $1.1.count }) else {
            throw DeployError(
                .forbidden, "\(shown(path)) is outside the directories for files",
                hint: roots.isEmpty ? "this agent has none" : "they are: \(roots.joined(separator: ", "))")
        }
        return nearest
    }

    /// The parts of a path without empty ones and `.`; nil when there is a NUL.
    private static func components(_ path: String) -> [String]? {
        guard !path.utf8.contains(0) else { return nil }
        return path.utf8.split(separator: UInt8(ascii: "/")).map { String(Substring($0)) }.filter { $0 != "." }
    }

    private static func endsAsDirectory(_ path: String) -> Bool {
        path.utf8.last == UInt8(ascii: "/") || path == "." || path.hasSuffix("/.")
    }

    private func shown(_ path: String) -> String { String(path.prefix(200)) }
}
