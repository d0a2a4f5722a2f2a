// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Glibc

/// Removes, makes, looks at and lists files of this host.
struct ManageTask {
    private let context: ExecutionContext
    private let parameters: FileParameters
    private let executor: FileExecutor
    private let output: LogOutput

    /// Files above this are not hashed by `stat`.
    private static let hashLimit: Int64 = 256 << 20

    init(_ context: ExecutionContext, _ parameters: FileParameters, _ executor: FileExecutor) {
        self.context = context
        self.parameters = parameters
        self.executor = executor
        output = LogOutput(context.log)
    }

    /// Does it.
    func run() async throws(DeployError) -> ExecutionOutcome {
        await context.onStart(nil)
        return switch parameters.act {
        case .delete: try await delete()
        case .mkdir: try await makeDirectory()
        case .list: try await list()
        case .stat, .put, .fetch: try await look()
        }
    }

    // MARK: Removing

    private func delete() async throws(DeployError) -> ExecutionOutcome {
        let place: PathPolicy.Place
        let status: FileStatus
        do throws(DeployError) {
            place = try executor.policy.reach(parameters.path)
            status = try place.status()
        } catch {
            guard error.code == .notFound, parameters.missingOK else { throw error }
            await output.line("\(parameters.path): is not there")
            return removed(TreeRemoval())
        }
        guard let name = place.name else {
            throw DeployError(.forbidden, "\(place.path.prefix(200)) is one of the directories for files itself")
        }
        var removal = TreeRemoval()
        if status.kind == .directory {
            guard parameters.recursive else {
                throw DeployError(
                    .conflict, "\(place.path.prefix(200)) is a directory",
                    hint: "recursive removes it with all below it")
            }
            guard !place.holdsOwnFiles else {
                throw DeployError(.forbidden, "the agent's own files are below \(place.path.prefix(200))")
            }
            try removal.remove(name, in: place.directory, path: place.path)
        } else {
            try removal.removeFile(name, in: place.directory, path: place.path)
        }
        try place.directory.synchronize()
        await output.line(
            "\(place.path): \(removal.files) files and \(removal.directories) directories removed"
                + (removal.failures > 0 ? ", \(removal.failures) could not be" : ""))
        return removed(removal)
    }

    private func removed(_ removal: TreeRemoval) -> ExecutionOutcome {
        var outcome = ExecutionOutcome(result: [
            "files": .integer(removal.files), "directories": .integer(removal.directories),
            "failures": .integer(removal.failures),
        ])
        if let first = removal.firstFailure {
            let more = removal.failures > 1 ? " (and \(removal.failures - 1) more)" : ""
            outcome.error = TaskFailure(.taskFailed, first.message + more)
        }
        return outcome
    }

    // MARK: Making

    private func makeDirectory() async throws(DeployError) -> ExecutionOutcome {
        let maker = DirectoryMaker(try FileAttributes(owner: parameters))
        var patience = RoomPatience(context)
        while true {
            do throws(DeployError) {
                let isNew = try make(maker)
                patience.succeeded()
                await output.line("\(parameters.path): \(isNew ? "made" : "is there already")")
                return ExecutionOutcome(result: ["directories": .integer(Int64(maker.made))])
            } catch {
                guard error.code == .insufficientStorage,
                    let root = executor.policy.roots.first(where: { parameters.path.hasPrefix($0) })
                else { throw error }
                try await patience.room(for: 0, in: OpenDirectory(root), parameters.path, after: error)
            }
        }
    }

    private func make(_ maker: DirectoryMaker) throws(DeployError) -> Bool {
        let place: PathPolicy.Place
        do throws(DeployError) {
            place = try executor.policy.reach(parameters.path, making: parameters.parents ? maker : nil)
        } catch {
            guard error.code == .notFound else { throw error }
            throw DeployError(error.code, error.message, hint: "parents makes directories that are missing")
        }
        guard let name = place.name else { return false }
        let kind = try place.directory.kind(of: name)
        guard kind == .missing || kind == .directory else {
            throw DeployError(.conflict, "\(place.path.prefix(200)) is there and is no directory")
        }
        return try maker.make(name, in: place.directory, mode: parameters.mode)
    }

    // MARK: Looking

    private func look() async throws(DeployError) -> ExecutionOutcome {
        let place = try executor.policy.reach(parameters.path)
        let status = try place.status()
        var facts = Self.facts(status)
        facts["path"] = .string(place.path)
        var line =
            "\(place.path): \(status.kind.rawValue), \(status.size) bytes, \(status.permissions) \(status.modeText), "
            + "\(Owners.name(ofUser: status.userID)):\(Owners.name(ofGroup: status.groupID)), "
            + "modified \(status.modifiedAt)"
        if let name = place.name, status.kind == .link {
            let target = Self.target(name, in: place.directory)
            facts["target"] = .string(target)
            line += ", to \(target)"
        }
        if let name = place.name, status.kind == .file, status.size <= Self.hashLimit {
            let sha256 = try Self.hash(name, in: place.directory, status, place.path)
            facts["sha256"] = sha256.map { .string($0.hex) }
            line += sha256.map { "\nsha256 \($0.hex)" } ?? ""
        }
        await output.line(line)
        return ExecutionOutcome(result: facts)
    }

    private static func facts(_ status: FileStatus) -> [String: JSONValue] {
        [
            "type": .string(status.kind.rawValue), "size": .integer(status.size), "mode": .string(status.modeText),
            "uid": .integer(Int64(status.userID)), "gid": .integer(Int64(status.groupID)),
            "owner": .string(Owners.name(ofUser: status.userID)),
            "group": .string(Owners.name(ofGroup: status.groupID)), "links": .integer(Int64(clamping: status.names)),
            "modified_at": .string(status.modifiedAt.description),
        ]
    }

    private static func target(_ name: String, in directory: OpenDirectory) -> String {
        var bytes = [CChar](repeating: 0, count: FileNames.maximumPathBytes)
        let count = readlinkat(directory.descriptor, name, &bytes, bytes.count)
        return String(decoding: bytes.prefix(max(0, count)).map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// Nil when it may not be read, or became another file meanwhile.
    private static func hash(
        _ name: String, in directory: OpenDirectory, _ status: FileStatus, _ path: String
    ) throws(DeployError) -> ContentHash? {
        guard let descriptor = try? directory.open(name, O_RDONLY) else { return nil }
        defer { close(descriptor) }
        guard try FileStatus(of: descriptor, path).identity == status.identity else { return nil }
        return try HostFile.hash(descriptor, path).sha256
    }

    // MARK: Listing

    private func list() async throws(DeployError) -> ExecutionOutcome {
        let place = try executor.policy.reach(parameters.path)
        let status = try place.status()
        guard status.kind == .directory else {
            throw DeployError(.conflict, "\(place.path.prefix(200)) is no directory", hint: "stat tells what it is")
        }
        let reader = try DirectoryReader(place.directory, place.name ?? ".", path: place.path)
        var rows = RowWriter(context)
        var names = NameCache()
        rows.begin([
            .init(name: "name", kind: .text), .init(name: "type", kind: .text), .init(name: "size", kind: .number),
            .init(name: "mode", kind: .text), .init(name: "owner", kind: .text), .init(name: "group", kind: .text),
            .init(name: "modified", kind: .text),
        ])
        let listing = TreeListing(hidden: executor.policy.hidden, isRecursive: parameters.recursive)
        var remarks: [String] = []
        let unreadable = try listing.list(reader) { item in
            if let remark = item.remark, remarks.count < 20 { remarks.append("\(item.path): \(remark)") }
            guard rows.beginRow() else { return }
            rows.field(item.path)
            rows.field(item.status.kind.rawValue)
            rows.field(String(item.status.size))
            rows.field(item.status.modeText)
            rows.field(names.user(item.status.userID))
            rows.field(names.group(item.status.groupID))
            rows.field(item.status.modifiedAt.description)
            rows.endRow()
        }
        rows.end()
        for remark in remarks { await output.line("not entered: \(remark)", to: .stderr) }
        return ExecutionOutcome(result: [
            "entries": .integer(rows.count), "shown": .integer(rows.shown), "unreadable": .integer(unreadable),
        ])
    }

    /// The names of owners, each looked up once.
    private struct NameCache {
        private var users: [uid_t: String] = [:]
        private var groups: [gid_t: String] = [:]

        mutating func user(_ id: uid_t) -> String {
            if let name = users[id] { return name }
            let name = Owners.name(ofUser: id)
            users[id] = name
            return name
        }

        mutating func group(_ id: gid_t) -> String {
            if let name = groups[id] { return name }
            let name = Owners.name(ofGroup: id)
            groups[id] = name
            return name
        }
    }
}

extension FileAttributes {
    /// The owner and the group that a task names, by name or number.
    init(owner parameters: FileParameters) throws(DeployError) {
        self.init()
        userID = try parameters.owner.map { text throws(DeployError) in try Owners.userID(text) }
        groupID = try parameters.group.map { text throws(DeployError) in try Owners.groupID(text) }
    }
}
