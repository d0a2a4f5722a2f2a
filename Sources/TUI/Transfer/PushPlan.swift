// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// What `file push` brings where: stored files and files of this host, each with its place on the agents.
struct PushPlan: Sendable {
    /// One file.
    struct Item: Sendable, Equatable {
        /// What it is.
        enum Source: Sendable, Equatable {
            /// A file of this host.
            case local(UploadSource)
            /// A stored file, by its id or the beginning of it.
            case stored(String)
        }

        var source: Source
        /// Its place below the destination; nil for the destination itself.
        var path: String?
        /// Its permissions on this host.
        var mode: UInt32?
    }

    /// Where everything goes: an absolute path without a slash at its end.
    let destination: String
    /// In the order of the command line.
    private(set) var items: [Item] = []
    /// Directories that hold nothing, and are not brought.
    private(set) var empty: [String] = []
    /// Whether directories below the destination are needed.
    private(set) var needsParents = false

    /// The most bytes of one task's list of files, as JSON.
    private static let listBytes = 600_000

    /// Reads what the command line says. Blocking.
    ///
    /// A name that exists here is a file or directory of this host, everything else is the id of a stored file. One file
    /// takes the destination's name, unless that ends with a slash; several files, and the files of directories, go below
    /// it. Of a directory whose name ends with a slash the contents go there, otherwise the directory itself.
    ///
    /// Throws `invalid_argument`, and what the system says of a path.
    init(_ sources: [String], to destination: String) throws(DeployError) {
        guard destination.hasPrefix("/"), !destination.contains(where: \.isNewline), !destination.utf8.contains(0)
        else {
            throw DeployError(
                .invalidArgument, "destination '\(destination.prefix(200))' is not an absolute path", hint: "/srv/app/")
        }
        var trimmed = Substring(destination)
        while trimmed.utf8.count > 1, trimmed.utf8.last == UInt8(ascii: "/") { trimmed = trimmed.dropLast() }
        self.destination = String(trimmed)
        var isBelow = destination.hasSuffix("/") || sources.count > 1
        var found: [(source: Item.Source, name: String, mode: UInt32?)] = []
        for source in sources {
            switch try Self.look(source) {
            case .directory:
                isBelow = true
                try add(FileTree(source), of: source)
            case .file(let file):
                let name = LocalFile.name(source)
                guard file.isRegular else {
                    throw DeployError(
                        .invalidArgument, "\(source) is no regular file",
                        hint: "tiangong file put stores what a pipe gives")
                }
                try FileNames.checkUpload(name)
                let upload = UploadSource(path: source, name: name, size: file.size)
                found.append((.local(upload), name, file.mode & 0o777))
            case .nothing:
                guard FileID(source) != nil else { throw LocalFile.failure(source, ENOENT) }
                found.append((.stored(source), source, nil))
            }
        }
        for (source, name, mode) in found {
            items.append(Item(source: source, path: isBelow ? name : nil, mode: mode))
        }
    }

    private enum Look {
        case directory
        case file(LocalFile.State)
        case nothing
    }

    private static func look(_ path: String) throws(DeployError) -> Look {
        var status = stat()
        guard stat(path, &status) == 0 else {
            guard errno == ENOENT else { throw LocalFile.failure(path) }
            return .nothing
        }
        return status.st_mode & S_IFMT == S_IFDIR ? .directory : .file(try LocalFile.look(path))
    }

    private mutating func add(_ tree: FileTree, of directory: String) throws(DeployError) {
        let name = LocalFile.name(directory)
        let isContents = directory.hasSuffix("/") || [".", ".."].contains(name)
        if !isContents { try FileNames.checkUpload(name) }
        for file in tree.files {
            let path = isContents ? file.below : "\(name)/\(file.below)"
            let source = UploadSource(path: file.path, name: LocalFile.name(file.below), size: file.size)
            items.append(Item(source: .local(source), path: path, mode: file.mode))
            if path.contains("/") { needsParents = true }
        }
        empty += tree.empty
    }

    /// Files of this host, in the order of the items.
    var uploads: [UploadSource] {
        items.compactMap { if case .local(let source) = $0.source { source } else { nil } }
    }

    /// The lists of files of the runs it takes, one after the other; `files` has one stored file for each item.
    ///
    /// Throws `invalid_argument` when two of them have one place.
    func lists(_ files: [FileInfo], keepsModes: Bool) throws(DeployError) -> [[FileParameters.Item]] {
        var lists: [[FileParameters.Item]] = []
        var current: [FileParameters.Item] = []
        var bytes = 0
        var places: Set<String> = []
        for (item, file) in zip(items, files) {
            var path = item.path
            // A stored file keeps the name it was stored with.
            if case .stored = item.source, path != nil { path = file.name }
            guard places.insert(path ?? "").inserted else {
                throw DeployError(.invalidArgument, "two files would become \(destination)/\(path ?? "")")
            }
            let mode = keepsModes ? item.mode.map(Self.octal) : nil
            let size = (path?.utf8.count ?? 0) * 2 + 200
            if current.count == FileTransfer.filesPerTask || bytes + size > Self.listBytes, !current.isEmpty {
                lists.append(current)
                (current, bytes) = ([], 0)
            }
            current.append(FileParameters.Item(fileID: file.id, path: path, mode: mode))
            bytes += size
        }
        if !current.isEmpty { lists.append(current) }
        return lists
    }

    private static func octal(_ mode: UInt32) -> String {
        let digits = String(mode, radix: 8)
        return String(repeating: "0", count: max(0, 4 - digits.count)) + digits
    }
}
