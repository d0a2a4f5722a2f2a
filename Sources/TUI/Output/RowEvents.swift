// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// Rows that tasks write to standard output, one JSON object a line, as results: with `jsonl` each as an object of type
/// `row` among the other events, with `json` as the elements of one array beside the run.
actor RowEvents: LogReceiver {
    private let output: RawOutput
    private let events: TaskEvents?
    private let names: [TaskID: String]
    private var lanes: [TaskID: RowLines] = [:]
    private var count = 0
    private var isClosed = false

    /// - Parameters:
    ///   - output: Where to.
    ///   - events: Where everything goes that is no row; nil leaves it out and writes one array.
    ///   - names: The agent's name of each task.
    init(output: RawOutput, events: TaskEvents?, names: [TaskID: String]) {
        self.output = output
        self.events = events
        self.names = names
    }

    /// Takes whole lines out of standard output.
    func receive(_ segment: LogSegment, of task: TaskID) async throws(DeployError) {
        guard segment.stream == .stdout else {
            try await events?.receive(segment, of: task)
            return
        }
        var lane = lanes.removeValue(forKey: task) ?? RowLines()
        let pieces = lane.feed(segment)
        lanes[task] = lane
        try await write(pieces, of: task)
    }

    /// Takes the last line, which has no end, and passes the end on.
    func ended(_ task: TaskRecord) async throws(DeployError) {
        if var lane = lanes.removeValue(forKey: task.id) {
            try await write(lane.finish(at: task.finishedAt ?? .now()), of: task.id)
        }
        try await events?.ended(task)
    }

    /// Nothing: a reader of JSON sees one unbroken stream.
    func interrupted(_ error: DeployError, retryIn: Duration) async {}

    /// Nothing.
    func resumed() async {}

    /// Closes the array, with the run beside it unless it has not ended.
    func finish(_ detail: RunDetail?) async throws(DeployError) {
        guard events == nil, !isClosed else { return }
        isClosed = true
        var text = count == 0 ? "{\n\"rows\": []" : "\n]"
        if let detail {
            text += ",\n\"run\": \(try JSONPrinter.pretty(detail.run)),\n\"tasks\": "
            text += try JSONPrinter.pretty(detail.tasks)
        }
        try await output.write(text + "\n}\n", to: .output)
    }

    /// Rows that follow each other are one write.
    private func write(_ pieces: [RowLines.Piece], of task: TaskID) async throws(DeployError) {
        let agent = try names[task].map { name throws(DeployError) in "\"agent\":\(try JSONPrinter.line(name))," } ?? ""
        var text = ""
        for piece in pieces {
            switch piece {
            case .row(let row):
                text += object("{\(agent)\"row\":\(JSONPrinter.escaped(row)),\"task_id\":\"\(task.rawValue)\"")
                count += 1
            case .other(let segment):
                guard let events else { continue }
                if !text.isEmpty { try await output.write(text, to: .output) }
                text = ""
                try await events.receive(segment, of: task)
            }
        }
        if !text.isEmpty { try await output.write(text, to: .output) }
    }

    private func object(_ members: String) -> String {
        guard events == nil else { return members + ",\"type\":\"row\"}\n" }
        return (count == 0 ? "{\n\"rows\": [\n" : ",\n") + members + "}"
    }
}
