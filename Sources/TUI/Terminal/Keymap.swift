// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

/// Finds the action of a sequence of keys.
struct Keymap: Sendable {
    enum Outcome: Equatable {
        case action(Action)
        /// The beginning of a longer sequence.
        case more
        case unbound
    }

    /// Keys that multiplexers, terminals or flow control take away, and that are therefore never bound.
    static let reserved: Set<Key> = [
        .control("a"), .control("b"), .control("s"), .control("q"), .control("h"), .control("j"), .control("m"),
        .control("i"),
    ]

    private let bindings: [KeyContext: [[Key]: Action]]

    static let standard = Keymap(ActionTable.rows)

    init(_ rows: [ActionRow]) {
        var bindings: [KeyContext: [[Key]: Action]] = [:]
        for row in rows {
            for keys in row.keys.compactMap(Key.sequence) { bindings[row.context, default: [:]][keys] = row.action }
        }
        self.bindings = bindings
    }

    /// Looks in each context of the chain in turn.
    func find(_ keys: [Key], in chain: [KeyContext]) -> Outcome {
        for context in chain {
            if let action = bindings[context]?[keys] { return .action(action) }
        }
        let begins = chain.contains { context in
            bindings[context]?.keys.contains { $0.count > keys.count && $0.starts(with: keys) } ?? false
        }
        return begins ? .more : .unbound
    }
}
