// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import DequeModule

/// Tasks that wait for a slot: in the order in which they came, except that one whose type has no slot free lets others by.
struct TaskQueue: Sendable {
    private struct Entry {
        let reference: TaskReference
        let bytes: Int
        let number: Int
    }

    private var lanes: [String: Deque<Entry>] = [:]
    private var running: [String: Int] = [:]
    private var nextNumber = 0
    private(set) var count = 0
    private var bytes = 0

    /// The most tasks that wait.
    private static let limit = 10_000
    /// The most bytes of commands and parameters that wait.
    private static let bytesLimit = 64 << 20

    /// Adds a task; throws `unavailable` when the queue is full.
    mutating func append(_ reference: TaskReference, _ create: TaskCreate) throws(DeployError) {
        let weight = Self.weight(create)
        guard count < Self.limit, bytes + weight <= Self.bytesLimit else {
            throw DeployError(
                .unavailable, "the agent's queue is full: \(count) tasks wait", hint: "run fewer tasks at once")
        }
        lanes[create.type, default: []].append(Entry(reference: reference, bytes: weight, number: nextNumber))
        nextNumber += 1
        count += 1
        bytes += weight
    }

    /// Takes the next task whose type has a slot free; it counts as running until ``ended(_:)``.
    ///
    /// - Parameter limit: The most tasks of a type at once; nil for no limit of its own.
    mutating func next(limit: (String) -> Int?) -> TaskReference? {
        var best: (type: String, number: Int)?
        for (type, lane) in lanes {
            guard let first = lane.first, first.number < best?.number ?? .max else { continue }
            if let most = limit(type), running[type] ?? 0 >= most { continue }
            best = (type, first.number)
        }
        guard let best, let entry = lanes[best.type]?.popFirst() else { return nil }
        if lanes[best.type]?.isEmpty == true { lanes[best.type] = nil }
        running[best.type, default: 0] += 1
        count -= 1
        bytes -= entry.bytes
        return entry.reference
    }

    /// A task that was taken has ended.
    mutating func ended(_ type: String) {
        let left = (running[type] ?? 0) - 1
        running[type] = left > 0 ? left : nil
    }

    /// Takes a waiting task out.
    mutating func remove(_ reference: TaskReference, type: String) {
        guard let index = lanes[type]?.firstIndex(where: { $0.reference == reference }),
            let entry = lanes[type]?.remove(at: index)
        else { return }
        if lanes[type]?.isEmpty == true { lanes[type] = nil }
        count -= 1
        bytes -= entry.bytes
    }

    /// Takes all out.
    mutating func removeAll() -> [TaskReference] {
        defer {
            lanes = [:]
            count = 0
            bytes = 0
        }
        return lanes.values.flatMap { $0.map(\.reference) }
    }

    /// About how many bytes a waiting task holds.
    private static func weight(_ create: TaskCreate) -> Int {
        func size(_ value: JSONValue) -> Int {
            if let text = value.stringValue { return text.utf8.count + 32 }
            if let items = value.arrayValue { return items.reduce(32) { $0 + size($1) } }
            if let members = value.objectValue { return members.reduce(32) { $0 + $1.key.utf8.count + size($1.value) } }
            return 16
        }
        return 512 + create.command.utf8.count + size(.object(create.params))
    }
}
