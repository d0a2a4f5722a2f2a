// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

@testable import TUI

/// A made-up world with a fixed clock, driven by keys as an operator would.
struct Scene {
    var model: AppModel
    private(set) var effects: [Effect] = []

    static let start = Timestamp(milliseconds: 1_795_500_202_000)

    init(columns: Int = 80, rows: Int = 24) {
        model = AppModel(now: Self.start)
        model.size = Size(columns: columns, rows: rows)
    }

    /// Connected, with agents and runs known.
    static func live(columns: Int = 80, rows: Int = 24, role: Role = .admin, scope: Scope = Scope()) -> Scene {
        var scene = Scene(columns: columns, rows: rows)
        let context = ContextSummary(name: "prod-cn", server: "https://cloud.example:8443", hasCredential: true)
        let other = ContextSummary(name: "lab", server: "https://10.0.0.7:8443", hasCredential: false)
        scene.send(.contexts(ContextList(items: [other, context], current: "prod-cn")))
        scene.send(.backend(.connecting(context: "prod-cn")))
        scene.send(
            .backend(
                .connected(server(role: role, scope: scope))))
        scene.send(.agents(agents))
        scene.send(.runs([run]))
        scene.effects = []
        return scene
    }

    mutating func send(_ event: AppEvent) { effects += AppUpdate.update(&model, event) }

    /// Keys by name, separated by blanks: `g r Enter`.
    mutating func press(_ names: String) {
        for key in Key.sequence(names) ?? [] { send(.key(key)) }
    }

    /// Text, one key for each character.
    mutating func type(_ text: String) {
        for scalar in text.unicodeScalars { send(.key(.character(scalar))) }
    }

    /// What was asked of the world since the last call.
    mutating func takeEffects() -> [Effect] {
        defer { effects = [] }
        return effects
    }

    /// The same without questions about policies and types, which go along with what is written.
    mutating func takeRequests() -> [Effect] {
        takeEffects().filter {
            switch $0 {
            case .testPolicy, .loadExecutors: false
            default: true
            }
        }
    }

    var screen: String { CanvasDump.text(Frame.draw(model)) }

    /// The rows without styles, trailing blanks cut.
    var rows: [String] {
        let canvas = Frame.draw(model)
        return (0..<canvas.size.rows).map { row in
            var text = CanvasDump.plain(canvas, row)
            while text.last == " " { text.removeLast() }
            return text
        }
    }

    // MARK: data

    static func id<Kind>(_ text: String) -> Identifier<Kind> { Identifier(text) ?? .random() }

    static let agents: [AgentInfo] = (1...12).map { number in
        let two = number < 10 ? "0\(number)" : "\(number)"
        var agent = AgentInfo(id: id("agent\(two)"), name: "node-\(two).bj.example", createdAt: start)
        agent.status = number == 7 ? .offline : .online
        agent.environment = "prod"
        agent.version = "0.1.0"
        agent.labels = ["role": number % 3 == 0 ? "db" : "web", "zone": "bj-1"]
        agent.hostname = "host-\(two)"
        agent.ip = "10.2.4.\(number)"
        agent.os = "linux"
        agent.arch = "x86_64"
        agent.executors = ["shell"]
        agent.maxConcurrency = 100
        agent.running = number % 4
        agent.load = 0.25
        agent.lastSeen = start.adding(milliseconds: number == 7 ? -252_000 : -1000)
        agent.connectedAt = start.adding(milliseconds: -7_200_000)
        return agent
    }

    static let run = RunRecord(
        id: id("8f3c1a70deadbeef"), spec: TaskSpec(command: "systemctl restart nginx", timeout: 600),
        target: "role=web",
        actor: "wang", createdAt: start.adding(milliseconds: -41_000),
        counts: ["succeeded": 1, "failed": 1, "running": 1, "pending": 1])

    static let tasks: [TaskRecord] = [TaskState.succeeded, .failed, .running, .pending].enumerated().map {
        index, state in
        var task = TaskRecord(
            id: id("task\(index)00000000"), runID: run.id, agentID: agents[index].id, agentName: agents[index].name,
            type: "shell", command: run.spec.command, actor: "wang", createdAt: run.createdAt, expiresAt: nil)
        task.state = state
        task.agentOnline = state != .pending
        task.startedAt = state == .pending ? nil : run.createdAt
        task.finishedAt = state.isFinal ? run.createdAt.adding(milliseconds: 12_000) : nil
        task.exitCode = state == .succeeded ? 0 : state == .failed ? 5 : nil
        if state == .failed { task.error = TaskFailure(.startFailed, "no such unit\u{1B}[2J") }
        return task
    }

    static let detail = RunDetail(run: run, tasks: tasks)
}
