// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// The regular files below a directory of this host.
struct FileTree: Sendable {
    /// A file found.
    struct Entry: Sendable, Equatable {
        /// Its path on this host.
        var path: String
        /// Its path below the directory.
        var below: String
        /// Bytes.
        var size: Int64
        /// Its permissions, without what gives rights of others.
        var mode: UInt32
    }

    /// In the order of their names.
    private(set) var files: [Entry] = []
    /// Directories below it that hold nothing.
    private(set) var empty: [String] = []

    /// The most files taken.
    static let limit = 1_000_000
    /// How deep is looked.
    private static let depth = 200

    /// Looks at a directory and everything below it. Blocking.
    ///
    /// Throws `invalid_argument` naming a link, a device, or a name that agents or the server would not take, and what the
    /// system says of what cannot be read.
    init(_ directory: String) throws(DeployError) {
        var root = Substring(directory)
        while root.utf8.count > 1, root.utf8.last == UInt8(ascii: "/") { root = root.dropLast() }
        try walk(String(root), "", depth: 0)
    }

    private mutating func walk(_ path: String, _ below: String, depth: Int) throws(DeployError) {
        guard depth < Self.depth else {
            throw DeployError(.invalidArgument, "\(path) is more than \(Self.depth) directories deep")
        }
        let names = try Self.names(path)
        if names.isEmpty { empty.append(below.isEmpty ? path : below) }
        for name in names {
            let whole = path == "/" ? "/\(name)" : "\(path)/\(name)"
            let relative = below.isEmpty ? name : "\(below)/\(name)"
            do throws(DeployError) {
                try FileNames.checkUpload(name)
            } catch {
                throw DeployError(error.code, "\(whole): \(error.message)")
            }
            guard relative.utf8.count <= FileNames.maximumPathBytes else {
                throw DeployError(.invalidArgument, "\(whole) is over \(FileNames.maximumPathBytes) bytes long")
            }
            var status = stat()
            guard lstat(whole, &status) == 0 else { throw LocalFile.failure(whole) }
            switch status.st_mode & S_IFMT {
            case S_IFDIR: try walk(whole, relative, depth: depth + 1)
            case S_IFREG:
                guard files.count < Self.limit else {
                    throw DeployError(.tooLarge, "there are more than \(Self.limit) files")
                }
                files.append(
                    Entry(
                        path: whole, below: relative, size: Int64(status.st_size), mode: UInt32(status.st_mode & 0o777))
                )
            case S_IFLNK:
                throw DeployError(
                    .invalidArgument, "\(whole) is a symbolic link", hint: "name what it points to, or leave it out")
            default:
                throw DeployError(.invalidArgument, "\(whole) is neither a file nor a directory", hint: "leave it out")
            }
        }
    }

    private static func names(_ path: String) throws(DeployError) -> [String] {
        guard let directory = opendir(path) else { throw LocalFile.failure(path) }
        defer { closedir(directory) }
        var names: [String] = []
        errno = 0
        while let entry = readdir(directory) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) { field in
                field.withMemoryRebound(to: UInt8.self, capacity: MemoryLayout.size(ofValue: field.pointee)) {
                    String(validating: UnsafeBufferPointer(start: $0, count: strlen($0)), as: UTF8.self)
                }
            }
            guard let name else {
                throw DeployError(.invalidArgument, "\(path) holds a name that is not UTF-8", hint: "rename it")
            }
            if name != ".", name != ".." { names.append(name) }
            errno = 0
        }
        guard errno == 0 else { throw LocalFile.failure(path) }
        return names.sorted()
    }
}
