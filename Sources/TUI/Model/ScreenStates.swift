// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// The agents, and what the operator did with the list of them.
struct AgentsState: Equatable, Sendable {
    private(set) var items: [AgentInfo] = []
    var list = ListState()
    var marked: Set<AgentID> = []
    /// The list has arrived at least once.
    var isKnown = false

    /// The rows shown: those that contain the filter, offline ones first, then by name.
    var shown: [AgentInfo] {
        let filter = list.filter.lowercased()
        return filter.isEmpty ? items : items.filter { Self.matches($0, filter) }
    }

    var selected: AgentInfo? {
        let rows = shown
        return rows.indices.contains(list.cursor) ? rows[list.cursor] : nil
    }

    mutating func replace(_ agents: [AgentInfo]) {
        isKnown = true
        items = agents.sorted(by: Self.order)
        marked.formIntersection(agents.map(\.id))
    }

    /// Takes a changed agent; the cursor stays on the agent it was on.
    mutating func upsert(_ agent: AgentInfo) {
        let kept = selected?.id
        items.removeAll { $0.id == agent.id }
        items.insert(agent, at: items.firstIndex { Self.order(agent, $0) } ?? items.count)
        if let kept, let row = shown.firstIndex(where: { $0.id == kept }) { list.cursor = row }
    }

    /// Forgets an agent; the cursor stays on the agent it was on.
    mutating func remove(_ id: AgentID) {
        let kept = selected?.id
        items.removeAll { $0.id == id }
        marked.remove(id)
        if let kept, let row = shown.firstIndex(where: { $0.id == kept }) { list.cursor = row }
    }

    var online: Int { items.count { $0.status == .online } }

    private static func order(_ left: AgentInfo, _ right: AgentInfo) -> Bool {
        if left.status != right.status { return left.status == .offline }
        return (left.name, left.id) < (right.name, right.id)
    }

    private static func matches(_ agent: AgentInfo, _ filter: String) -> Bool {
        let labels = agent.labels.map { "\($0.key)=\($0.value)" }
        return
            ([agent.name, agent.hostname, agent.ip, agent.environment, agent.version, agent.status.rawValue] + labels)
            .contains { $0.lowercased().contains(filter) }
    }
}

/// The newest runs.
struct RunsState: Equatable, Sendable {
    var items: [RunRecord] = []
    var list = ListState()
    var isKnown = false

    var shown: [RunRecord] {
        let filter = list.filter.lowercased()
        guard !filter.isEmpty else { return items }
        return items.filter { run in
            [run.id.rawValue, run.spec.command, run.target, run.actor].contains { $0.lowercased().contains(filter) }
        }
    }

    var selected: RunRecord? {
        let rows = shown
        return rows.indices.contains(list.cursor) ? rows[list.cursor] : nil
    }

    /// Takes the list anew; the cursor stays on the run it was on, or on the first row.
    mutating func replace(_ runs: [RunRecord]) {
        let kept = list.cursor == 0 ? nil : selected?.id
        items = runs
        isKnown = true
        if let kept, let row = shown.firstIndex(where: { $0.id == kept }) { list.cursor = row }
    }

    func count(_ states: TaskState...) -> Int {
        items.reduce(0) { sum, run in sum + states.reduce(0) { $0 + (run.counts[$1.rawValue] ?? 0) } }
    }
}

/// One run and its tasks.
struct RunState: Equatable, Sendable {
    var id: RunID
    var detail: RunDetail?
    var list = ListState()
    /// Open the merged log as soon as the tasks are known.
    var opensLog = false

    /// Failures first, then what is going on, then the rest; by agent's name within.
    var tasks: [TaskRecord] {
        let filter = list.filter.lowercased()
        return (detail?.tasks ?? []).filter { task in
            filter.isEmpty || [task.agentName, task.stateText].contains { $0.lowercased().contains(filter) }
        }
        .sorted { (Self.rank($0.state), $0.agentName, $0.id) < (Self.rank($1.state), $1.agentName, $1.id) }
    }

    var selected: TaskRecord? {
        let rows = tasks
        return rows.indices.contains(list.cursor) ? rows[list.cursor] : nil
    }

    mutating func take(_ task: TaskRecord) {
        guard let index = detail?.tasks.firstIndex(where: { $0.id == task.id }) else { return }
        let kept = selected?.id
        detail?.tasks[index] = task
        if let kept, let row = tasks.firstIndex(where: { $0.id == kept }) { list.cursor = row }
    }

    private static func rank(_ state: TaskState) -> Int {
        switch state {
        case .failed, .timedOut, .rejected, .interrupted: 0
        case .lost: 1
        case .canceling, .running: 2
        case .dispatched, .pending: 3
        case .canceled: 4
        case .succeeded: 5
        }
    }
}

/// A log on the screen: of one task, or of several merged.
struct LogScreenState {
    var title: String
    var tasks: [TaskID]
    var buffer = LogBuffer()
    var viewport = LogViewport()
    var pattern: LogPattern?
    /// A search that is going on: where it is, which way, and whether it began anew at the other end.
    var searching: (line: Int, backwards: Bool, wrapped: Bool)?
    /// The last line found.
    var found: Int?
    var ended: Set<TaskID> = []
    var states: [TaskID: TaskRecord] = [:]
    /// The tasks run in the namespaces of their agents' hosts.
    var hostNamespaces = false
    var colours = true
    var times = false
    var names: Bool
    /// Bytes per second over the last second, and what it is measured from.
    var rate = 0
    var rateFrom: (at: Timestamp, received: Int)

    init(title: String, tasks: [TaskRecord], now: Timestamp) {
        self.title = title
        self.tasks = tasks.map(\.id)
        names = tasks.count > 1
        rateFrom = (now, 0)
        for task in tasks {
            _ = buffer.lane(for: task.id, name: task.agentName)
            states[task.id] = task
        }
    }
}
