// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Glibc
import NIOCore

/// Brings the files of one task to this host, one after the other. Each is whole and on the disk before it has its name.
struct PutTask {
    private let context: ExecutionContext
    private let parameters: FileParameters
    private let executor: FileExecutor
    private let attributes: FileAttributes
    private let maker: DirectoryMaker
    private let items: [Item]
    private let output: LogOutput
    private var stream: ContentStream
    private var room: RoomPatience
    private var directories = ChangedDirectories()
    private var report = PutReport()
    private var done: Int64 = 0

    /// A file of the task.
    private struct Item {
        var path: String
        var size: Int64
        var sha256: ContentHash
        var mode: UInt32?
    }

    /// Files of which each has a line in the log, whether it changed or not.
    private static let fewFiles = 50
    /// Files above this are not begun before there is room for them.
    private static let largeFile: Int64 = 1 << 20

    /// Throws what can be said of the task before anything is done.
    init(
        _ context: ExecutionContext, _ parameters: FileParameters, _ executor: FileExecutor
    ) throws(DeployError) {
        self.context = context
        self.parameters = parameters
        self.executor = executor
        let owner = try FileAttributes(owner: parameters)
        attributes = owner
        maker = DirectoryMaker(owner)
        var items: [Item] = []
        for (item, path) in zip(parameters.items, parameters.targets) {
            guard let size = item.size, size >= 0, let sha256 = item.sha256 else {
                throw DeployError(.invalidArgument, "the Cloud does not say what file \(item.fileID) is")
            }
            let mode = try item.mode.map { text throws(DeployError) in try FileParameters.mode(text) }
            items.append(Item(path: path, size: size, sha256: sha256, mode: mode ?? parameters.mode))
        }
        self.items = items
        output = LogOutput(context.log)
        stream = ContentStream(context, sizes: items.map(\.size), executor)
        room = RoomPatience(context)
    }

    /// Brings them all; stops at the first that cannot be brought.
    func run() async throws(DeployError) -> ExecutionOutcome {
        var task = self
        return try await task.perform()
    }

    private mutating func perform() async throws(DeployError) -> ExecutionOutcome {
        let begin = ContinuousClock.now
        try check()
        await context.onStart(nil)
        let total = items.reduce(Int64(0)) { $0 &+ $1.size }
        context.progress.set(0, of: total)
        var failure: DeployError?
        do throws(DeployError) {
            for index in items.indices {
                if Task.isCancelled { throw DeployError(.canceled) }
                try await bring(index)
                done += items[index].size
                context.progress.set(done)
            }
        } catch {
            failure = error
        }
        stream.pause()
        do throws(DeployError) {
            try directories.finish()
        } catch {
            failure = failure ?? error
        }
        report.cuts = stream.cuts
        report.directories = maker.made
        if items.count > 1 || failure == nil { await output.line(report.sentence(of: items.count)) }
        return ExecutionOutcome(
            error: failure.map { TaskFailure($0) }, result: report.result(begin.duration(to: .now)))
    }

    /// Everything that can be known beforehand, so that little is done in vain.
    private func check() throws(DeployError) {
        for item in items {
            guard item.size <= executor.settings.maximumSize else {
                throw DeployError(
                    .tooLarge, "\(item.path.prefix(200)) would have \(item.size) bytes, more than this agent takes",
                    hint: "executors.file.max-size is \(executor.settings.maximumSize)")
            }
            try executor.policy.checkTarget(item.path)
            do throws(DeployError) {
                let location = try executor.policy.locate(item.path, for: .write)
                if parameters.backup { _ = try BackupName(of: location.name) }
            } catch {
                guard error.code == .notFound, parameters.parents else { throw hinted(error) }
            }
        }
    }

    private func hinted(_ error: DeployError) -> DeployError {
        var error = error
        if error.code == .notFound { error.hint = "parents makes directories that are missing" }
        return error
    }

    // MARK: One file

    private mutating func bring(_ index: Int) async throws(DeployError) {
        let item = items[index]
        let (policy, maker) = (executor.policy, parameters.parents ? maker : nil)
        while true {
            var place: OpenDirectory?
            do throws(DeployError) {
                let location = try policy.locate(item.path, for: .write, making: maker)
                place = location.directory
                try directories.add(location)
                if try isThere(location, item) {
                    report.skipped += 1
                    if items.count <= Self.fewFiles {
                        await output.line("\(location.path): \(item.size) bytes, identical")
                    }
                    return
                }
                try await replace(location, index)
                room.succeeded()
                return
            } catch {
                // Of a file that could not be made durable nothing counts; what else needs room only waits for it.
                guard error.code == .insufficientStorage, let place = place ?? nearest(item.path) else {
                    throw hinted(error)
                }
                stream.pause()
                try await room.room(for: item.size, in: place, item.path, after: error)
            }
        }
    }

    /// A directory on the file system that has no room, when not even a directory could be made.
    private func nearest(_ path: String) -> OpenDirectory? {
        executor.policy.roots.first { path.hasPrefix($0) }.flatMap { try? OpenDirectory($0) }
    }

    /// Whether the file is there already; if so it gets the owner and the permissions that are asked for.
    private func isThere(_ location: PathPolicy.Location, _ item: Item) throws(DeployError) -> Bool {
        guard location.exists, let descriptor = try? location.directory.open(location.name, O_RDONLY) else {
            return false
        }
        defer { close(descriptor) }
        let status = try FileStatus(of: descriptor, location.path)
        guard status.kind == .file, status.size == item.size,
            try HostFile.hash(descriptor, location.path).sha256 == item.sha256
        else { return false }
        var wanted = attributes
        wanted.mode = item.mode
        if wanted != FileAttributes() {
            try wanted.apply(to: descriptor, location.path, replacing: status, standard: status.mode)
        }
        return true
    }

    private mutating func replace(_ location: PathPolicy.Location, _ index: Int) async throws(DeployError) {
        let item = items[index]
        var isSecondTry = false
        while true {
            let part = try PartFile.open(in: location.directory, for: location.name, item.sha256)
            do throws(DeployError) {
                try part.resume(size: item.size)
                let resumed = part.resumed
                if resumed > 0, items.count <= Self.fewFiles {
                    await output.line("\(location.path): going on at byte \(resumed) of \(item.size)")
                }
                try await fill(part, index, location)
                guard part.digest == item.sha256 else {
                    part.discard()
                    // What an earlier task had left was damaged, as by a loss of power.
                    guard resumed > 0, !isSecondTry else {
                        throw DeployError(
                            .taskFailed,
                            "\(item.path.prefix(200)): what came is not what was stored (SHA-256 \(part.digest.short))")
                    }
                    isSecondTry = true
                    continue
                }
                try await finish(part, location, item)
                report.resumed += resumed
                report.bytes += item.size
                report.files += 1
                return
            } catch {
                part.leave()
                throw error
            }
        }
    }

    /// Reads what is missing from the Cloud.
    private mutating func fill(
        _ part: PartFile, _ index: Int, _ location: PathPolicy.Location
    ) async throws(DeployError) {
        let item = items[index]
        if item.size - part.offset > Self.largeFile {
            try await room.room(for: item.size - part.offset, in: location.directory, location.path)
            room.succeeded()
        }
        while part.offset < item.size {
            if Task.isCancelled { throw DeployError(.canceled) }
            var bytes = try await stream.next(index, from: part.offset)
            while bytes.readableBytes > 0 {
                do throws(DeployError) {
                    try part.append(&bytes)
                    room.succeeded()
                } catch {
                    guard error.code == .insufficientStorage else { throw error }
                    stream.pause()
                    try await room.room(
                        for: item.size - part.offset, in: location.directory, location.path, after: error)
                }
            }
            context.progress.set(done + part.offset)
        }
    }

    /// Gives the part its owner, its permissions, and its name.
    private mutating func finish(
        _ part: PartFile, _ location: PathPolicy.Location, _ item: Item
    ) async throws(DeployError) {
        let old = try location.directory.status(of: location.name)
        var wanted = attributes
        wanted.mode = item.mode
        let isKept = try wanted.apply(
            to: part.descriptor, location.path, replacing: old, standard: FileAttributes.standardFile)
        do throws(DeployError) {
            try part.synchronize()
        } catch {
            // Nobody knows what of it is on the disk.
            part.discard()
            throw error
        }
        let backup = parameters.backup && old != nil ? try BackupName(of: location.name) : nil
        let kept = try part.place(backup: backup)
        var line = "\(location.path): \(item.size) bytes, \(old == nil ? "new" : "replaced")"
        if let kept {
            report.backups += 1
            line += ", kept \(kept)"
            report.pruned += try BackupName.prune(
                location.name, in: location.directory, keeping: executor.settings.backups)
        }
        if !isKept { line += ", now this agent's own: its owner could not be kept" }
        await output.line(line)
    }
}

/// What a task has brought.
struct PutReport {
    /// Files that were written.
    var files = 0
    /// Their bytes.
    var bytes: Int64 = 0
    /// Files that were there already.
    var skipped = 0
    /// Bytes that an earlier task had brought.
    var resumed: Int64 = 0
    /// Files that were kept.
    var backups = 0
    /// Older backups that went.
    var pruned = 0
    /// Directories that were made.
    var directories = 0
    /// Requests that were cut.
    var cuts = 0

    /// Members of the task's result.
    func result(_ duration: Duration) -> [String: JSONValue] {
        [
            "files": .integer(Int64(files)), "bytes": .integer(bytes), "skipped": .integer(Int64(skipped)),
            "resumed_bytes": .integer(resumed), "backups": .integer(Int64(backups)),
            "backups_removed": .integer(Int64(pruned)), "directories": .integer(Int64(directories)),
            "cuts": .integer(Int64(cuts)), "duration_ms": .integer(duration.wholeMilliseconds),
        ]
    }

    /// For people.
    func sentence(of total: Int) -> String {
        "\(files) of \(total) files brought, \(bytes) bytes; \(skipped) identical"
    }
}

/// Directories in which names have changed: made durable together, a few of them held open at a time. Parts that nobody went on
/// with for a day are deleted there.
struct ChangedDirectories {
    private var open: [(path: String, directory: OpenDirectory)] = []

    /// Held open at once.
    private static let limit = 8
    /// Nanoseconds after which a part is given up.
    private static let patience: Int64 = 86_400_000_000_000

    /// A name changes there.
    mutating func add(_ location: PathPolicy.Location) throws(DeployError) {
        let path = String(location.path.dropLast(location.name.count))
        guard !open.contains(where: { $0.path == path }) else { return }
        if open.count >= Self.limit { try Self.settle(open.removeFirst().directory) }
        open.append((path, location.directory))
    }

    /// Makes all of them durable.
    mutating func finish() throws(DeployError) {
        defer { open = [] }
        for (_, directory) in open { try Self.settle(directory) }
    }

    private static func settle(_ directory: OpenDirectory) throws(DeployError) {
        removeOldParts(in: directory)
        try directory.synchronize()
    }

    private static func removeOldParts(in directory: OpenDirectory) {
        guard let reader = try? DirectoryReader(directory, ".") else { return }
        let oldest = Timestamp.now().milliseconds * 1_000_000 - patience
        while let entry = try? reader.next() {
            guard entry.text.hasPrefix("."), entry.text.hasSuffix(PartFile.suffix),
                let status = try? directory.status(of: entry.text), status.kind == .file, status.modified < oldest,
                status.userID == geteuid(), let descriptor = try? directory.open(entry.text, O_RDONLY)
            else { continue }
            defer { close(descriptor) }
            if flock(descriptor, LOCK_EX | LOCK_NB) == 0 { directory.unlink(entry.text) }
        }
    }
}

extension Duration {
    /// Milliseconds, rounded down.
    var wholeMilliseconds: Int64 { components.seconds * 1000 + components.attoseconds / 1_000_000_000_000_000 }
}
