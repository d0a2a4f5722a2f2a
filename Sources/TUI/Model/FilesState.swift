// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// The stored files, and what this console uploads.
struct FilesState: Equatable, Sendable {
    private(set) var items: [FileInfo] = []
    var list = ListState()
    /// The list has arrived at least once.
    var isKnown = false
    /// Why the list could not be had.
    var failure: String?
    /// One is under way, the others wait for it.
    private(set) var uploads: [UploadRow] = []
    private var numbers = 0

    /// The rows shown: those that contain the filter, newest first.
    var shown: [FileInfo] {
        let filter = list.filter.lowercased()
        guard !filter.isEmpty else { return items }
        return items.filter { file in
            [file.name, file.id.rawValue, file.sha256.hex, file.actor, file.environment ?? ""]
                .contains { $0.lowercased().contains(filter) }
        }
    }

    var selected: FileInfo? {
        let rows = shown
        return rows.indices.contains(list.cursor) ? rows[list.cursor] : nil
    }

    /// Takes the list anew; the cursor stays on the file it was on.
    mutating func replace(_ files: [FileInfo]) {
        let kept = selected?.id
        items = files
        isKnown = true
        failure = nil
        if let kept, let row = shown.firstIndex(where: { $0.id == kept }) { list.cursor = row }
    }

    /// Another server: its files are others. Uploads go on where they go.
    mutating func forgetList() {
        items = []
        list = ListState()
        isKnown = false
        failure = nil
    }

    mutating func remove(_ id: FileID) { items.removeAll { $0.id == id } }

    mutating func add(_ file: FileInfo) {
        guard !items.contains(where: { $0.id == file.id }) else { return }
        items.insert(file, at: 0)
        if list.cursor > 0 { list.cursor += 1 }
    }

    // MARK: uploads

    /// Those that are not over, the one under way first.
    var running: [UploadRow] { uploads.filter { $0.problem == nil } }

    /// Puts an upload at the end of the line.
    mutating func queue(_ path: String, environment: String?) {
        numbers += 1
        uploads.append(UploadRow(number: numbers, path: path, environment: environment))
    }

    /// The upload to begin now, if there is one; it counts as begun.
    mutating func startNext() -> UploadRow? {
        guard let next = uploads.firstIndex(where: { $0.problem == nil }), !uploads[next].isBegun else { return nil }
        uploads[next].isBegun = true
        return uploads[next]
    }

    mutating func change(_ number: Int, _ change: (inout UploadRow) -> Void) {
        guard let index = uploads.firstIndex(where: { $0.number == number }) else { return }
        change(&uploads[index])
    }

    /// Forgets an upload; false when it was forgotten before.
    @discardableResult
    mutating func forget(_ number: Int) -> Bool {
        let before = uploads.count
        uploads.removeAll { $0.number == number }
        return uploads.count < before
    }
}

/// An upload of this console.
struct UploadRow: Equatable, Sendable {
    var number: Int
    /// The file on this host, as it was typed.
    var path: String
    /// Where it belongs, if that was said.
    var environment: String?
    var isBegun = false
    var progress: UploadProgress?
    var meter = RateMeter()
    /// Why it ended without a stored file.
    var problem: String?

    var name: String { LocalFile.name(path) }
}

/// A push being written: one stored file, to some agents.
struct PushState: Equatable, Sendable {
    enum Field: Int, CaseIterable, Sendable {
        case target, destination, mode, backup, batch, stopAfter, timeout

        var label: String {
            switch self {
            case .target: "Target"
            case .destination: "To"
            case .mode: "Mode"
            case .backup: "Backup"
            case .batch: "Batch"
            case .stopAfter: "Stop after"
            case .timeout: "Timeout"
            }
        }

        var help: String {
            switch self {
            case .target: "agent names, label pairs such as role=web, or all"
            case .destination: "absolute path; with a slash at the end the file keeps its name"
            case .mode: "octal, such as 0644; empty for what is there, or 0640"
            case .backup: "'yes' to keep what is replaced beside it"
            case .batch: "agents at once: a number or a share such as 25%; empty for all"
            case .stopAfter: "failures after which no further agent begins; empty for never"
            case .timeout: "90s, 10m, 2h; empty for none"
            }
        }

        var isNeeded: Bool { self == .target || self == .destination }
    }

    var file: FileInfo
    private(set) var fields = Field.allCases.map { _ in TextField() }
    var focus = Field.target
    /// What is wrong, shown below the form.
    var problem: String?
    /// What the review found; nil until asked for.
    var review: PushReview?

    init(file: FileInfo) { self.file = file }

    subscript(field: Field) -> TextField {
        get { fields[field.rawValue] }
        set { fields[field.rawValue] = newValue }
    }

    mutating func moveFocus(_ delta: Int) {
        let count = Field.allCases.count
        focus = Field(rawValue: (focus.rawValue + delta + count) % count) ?? .target
    }

    var selector: TargetSelector { ComposeState.selector(self[.target].text) }

    /// The specification as typed; throws `invalid_argument` with the field's name.
    func spec() throws(DeployError) -> TaskSpec {
        let typed = self[.destination].text
        guard typed.hasPrefix("/") else { throw DeployError(.invalidArgument, "To: write an absolute path") }
        var path = Substring(typed)
        while path.utf8.count > 1, path.last == "/" { path = path.dropLast() }
        let item = FileParameters.Item(fileID: file.id, path: typed.hasSuffix("/") ? file.name : nil)
        var params: [String: JSONValue] = ["files": .array([item.value])]
        if !self[.mode].text.isEmpty { params["mode"] = .string(self[.mode].text) }
        switch self[.backup].text {
        case "": break
        case "yes": params["backup"] = .bool(true)
        default: throw DeployError(.invalidArgument, "Backup: write 'yes' or nothing")
        }
        var spec = TaskSpec(type: TaskType.file.rawValue, command: "put \(path)", params: params)
        if !self[.timeout].text.isEmpty {
            guard let seconds = try? TimeSpan.seconds(self[.timeout].text) else {
                throw DeployError(
                    .invalidArgument, "Timeout: '\(self[.timeout].text)' is not a time such as 90s or 10m")
            }
            spec.timeout = seconds
        }
        try spec.validate()
        return spec
    }

    /// How it goes over its targets; throws `invalid_argument` with the field's name.
    func rollout() throws(DeployError) -> Rollout? {
        let batch = self[.batch].text
        let stop = self[.stopAfter].text
        guard !batch.isEmpty || !stop.isEmpty else { return nil }
        guard stop.isEmpty || Int(stop) != nil else {
            throw DeployError(.invalidArgument, "Stop after: '\(stop)' is not a number")
        }
        let rollout = Rollout(batch: batch.isEmpty ? nil : batch, stopAfter: Int(stop))
        try rollout.validate()
        return rollout
    }

    /// The command line that does the same.
    var equivalent: String {
        var words = ["tiangong", "file", "push", file.id.rawValue, ShellWords.quoted(self[.destination].text)]
        let selector = selector
        if selector.all { words.append("--all") }
        for agent in selector.agents { words += ["-a", ShellWords.quoted(agent)] }
        for (key, value) in selector.labels.sorted(by: { $0.key < $1.key }) {
            words += ["-l", ShellWords.quoted("\(key)=\(value)")]
        }
        for (flag, field) in [("--mode", Field.mode), ("--batch", .batch), ("--stop-after", .stopAfter)] {
            if !self[field].text.isEmpty { words += [flag, ShellWords.quoted(self[field].text)] }
        }
        if self[.backup].text == "yes" { words.append("--backup") }
        if !self[.timeout].text.isEmpty { words += ["--timeout", ShellWords.quoted(self[.timeout].text)] }
        return words.joined(separator: " ")
    }
}

/// What will be brought where, exactly, before it is.
struct PushReview: Equatable, Sendable {
    var spec: TaskSpec
    var rollout: Rollout?
    /// The agents meant, as they were when the review began: these and no others get the file.
    var agents: [AgentInfo]
    /// The first of them shown.
    var offset = 0
    /// 0 is Back, 1 is Push.
    var focus = 0
    /// The same for every press of Push on this review.
    var key: String

    var request: RunCreate {
        RunCreate(
            selector: TargetSelector(agents: agents.map(\.name)), spec: spec, idempotencyKey: key, rollout: rollout)
    }
}
