// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

/// A file task, read from its command text and parameters.
public struct FileParameters: Sendable, Equatable {
    /// What is done.
    public enum Act: String, Sendable, CaseIterable {
        /// Brings stored files to the host.
        case put
        /// Brings a file of the host into the store.
        case fetch
        /// Removes a file, or with `recursive` a directory and all below it.
        case delete
        /// Makes a directory, with `parents` also those above it.
        case mkdir
        /// Tells what a path is.
        case stat
        /// Lists a directory.
        case list
    }

    /// A stored file that is brought to the host.
    public struct Item: Sendable, Hashable, Codable {
        /// The stored file.
        public var fileID: FileID
        /// Where it goes below the task's path; nil for the path itself.
        public var path: String?
        /// Its permissions; nil for the task's.
        public var mode: String?
        /// Bytes; filled in by the Cloud.
        public var size: Int64?
        /// Its content; filled in by the Cloud.
        public var sha256: ContentHash?

        enum CodingKeys: String, CodingKey {
            case path, mode, size, sha256
            case fileID = "file_id"
        }

        /// How it stands in `params.files`.
        public var value: JSONValue {
            var members: [String: JSONValue] = ["file_id": .string(fileID.rawValue)]
            if let path { members["path"] = .string(path) }
            if let mode { members["mode"] = .string(mode) }
            if let size { members["size"] = .integer(size) }
            if let sha256 { members["sha256"] = .string(sha256.hex) }
            return .object(members)
        }

        /// A file; see the properties.
        public init(
            fileID: FileID, path: String? = nil, mode: String? = nil, size: Int64? = nil, sha256: ContentHash? = nil
        ) {
            self.fileID = fileID
            self.path = path
            self.mode = mode
            self.size = size
            self.sha256 = sha256
        }
    }

    /// What is done.
    public var act: Act
    /// To which path, absolute.
    public var path: String
    /// The files of `put`.
    public var items: [Item]
    /// Permissions of files and directories that are made, 0 to 0o7777; nil for those there are, or 0640 and 0750.
    public var mode: UInt32?
    /// The owner's account; needs an agent that runs as root.
    public var owner: String?
    /// The group.
    public var group: String?
    /// Whether what is replaced is kept beside it.
    public var backup: Bool
    /// Whether missing directories on the way are made.
    public var parents: Bool
    /// Whether `delete` takes directories and `list` goes down.
    public var recursive: Bool
    /// Whether `delete` of what is not there is no failure.
    public var missingOK: Bool

    /// Reads a specification; throws `invalid_argument` naming what is wrong.
    public init(_ spec: TaskSpec) throws(DeployError) {
        let parameters = try TaskParameters(spec, .file)
        let words = spec.command.split(separator: " ", maxSplits: 1, omittingEmptySubsequences: false)
        guard let first = words.first, let act = Act(rawValue: String(first)) else {
            throw DeployError(
                .invalidArgument, "a file task begins with \(Act.allCases.map(\.rawValue).joined(separator: ", "))",
                hint: "such as: stat /srv/app/app.conf")
        }
        guard words.count == 2, words[1].hasPrefix("/"), !words[1].contains(where: \.isNewline) else {
            throw DeployError(.invalidArgument, "'\(act.rawValue)' is followed by one blank and an absolute path")
        }
        self.act = act
        path = String(words[1])
        mode = try parameters.text("mode").map { text throws(DeployError) in try Self.mode(text) }
        owner = try parameters.text("owner").map { text throws(DeployError) in try Self.account(text, "owner") }
        group = try parameters.text("group").map { text throws(DeployError) in try Self.account(text, "group") }
        backup = parameters.flag("backup")
        parents = parameters.flag("parents")
        recursive = parameters.flag("recursive")
        missingOK = parameters.flag("missing_ok")
        items = try Self.items(parameters.json("files"), fileID: spec.fileID)
        guard act == .put || items.isEmpty else {
            throw DeployError(.invalidArgument, "'\(act.rawValue)' takes no stored file")
        }
        guard act != .put || !items.isEmpty else {
            throw DeployError(.invalidArgument, "'put' needs a stored file", hint: "give file_id or params.files")
        }
        try checkApplies(parameters)
    }

    private func checkApplies(_ parameters: TaskParameters) throws(DeployError) {
        let makes: Set<Act> = [.put, .mkdir]
        for (name, acts) in [
            ("mode", makes), ("owner", makes), ("group", makes), ("backup", [.put]), ("parents", makes),
            ("recursive", [.delete, .list]), ("missing_ok", [.delete]), ("format", [.list]), ("max_rows", [.list]),
        ] where parameters.json(name) != nil && !acts.contains(act) {
            throw DeployError(.invalidArgument, "params.\(name) means nothing to '\(act.rawValue)'")
        }
    }

    /// The whole path of each file of `put`.
    public var targets: [String] { items.map { item in item.path.map { "\(path)/\($0)" } ?? path } }

    private static func items(_ value: JSONValue?, fileID: String?) throws(DeployError) -> [Item] {
        guard let value else {
            guard let fileID else { return [] }
            guard let id = FileID(fileID) else {
                throw DeployError(.invalidArgument, "file_id is not 1 to 64 of 0-9 A-Z a-z _ -")
            }
            return [Item(fileID: id)]
        }
        guard let entries = value.arrayValue, (1...FileTransfer.filesPerTask).contains(entries.count) else {
            throw DeployError(
                .invalidArgument, "params.files is not a list of 1 to \(FileTransfer.filesPerTask) files")
        }
        var items: [Item] = []
        var seen: Set<String> = []
        for entry in entries {
            let item = try self.item(entry)
            guard entries.count == 1 || item.path != nil else {
                throw DeployError(.invalidArgument, "each of several params.files needs a path")
            }
            guard seen.insert(item.path ?? "").inserted else {
                throw DeployError(.invalidArgument, "params.files has the path '\(item.path?.prefix(200) ?? "")' twice")
            }
            items.append(item)
        }
        guard fileID == nil || fileID == items.first?.fileID.rawValue && items.count == 1 else {
            throw DeployError(.invalidArgument, "file_id and params.files name different files")
        }
        return items
    }

    private static func item(_ value: JSONValue) throws(DeployError) -> Item {
        guard let members = value.objectValue, let id = members["file_id"]?.stringValue.flatMap({ FileID($0) }),
            members.keys.allSatisfy({ ["file_id", "path", "mode", "size", "sha256"].contains($0) })
        else {
            throw DeployError(
                .invalidArgument, "an entry of params.files is not {file_id, path, mode}")
        }
        var item = Item(fileID: id)
        if let path = members["path"], path != .null {
            guard let text = path.stringValue, !text.isEmpty, text.utf8.count <= 4096, !text.hasPrefix("/"),
                !text.utf8.contains(0),
                text.split(separator: "/", omittingEmptySubsequences: false)
                    .allSatisfy({ !["", ".", ".."].contains($0) })
            else { throw DeployError(.invalidArgument, "params.files: a path is not one below the task's path") }
            item.path = text
        }
        if let mode = members["mode"], mode != .null {
            _ = try Self.mode(mode.stringValue ?? "")
            item.mode = mode.stringValue
        }
        item.size = members["size"]?.integerValue
        item.sha256 = members["sha256"]?.stringValue.flatMap { ContentHash($0) }
        return item
    }

    /// Permissions in octal, such as `0644`; throws `invalid_argument` for anything else.
    public static func mode(_ text: String) throws(DeployError) -> UInt32 {
        guard (3...5).contains(text.utf8.count), let mode = UInt32(text, radix: 8), mode <= 0o7777 else {
            throw DeployError(.invalidArgument, "mode '\(text.prefix(16))' is not octal, such as 0644")
        }
        return mode
    }

    private static func account(_ text: String, _ name: String) throws(DeployError) -> String {
        guard (1...64).contains(text.utf8.count), text.first != "-",
            text.utf8.allSatisfy({
                (48...57).contains($0) || (65...90).contains($0) || (97...122).contains($0) || "_.-@".utf8.contains($0)
            })
        else {
            throw DeployError(.invalidArgument, "params.\(name) is not an account or group", hint: "a name or a number")
        }
        return text
    }
}
