// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// One object as lines of `Name:  value`, values aligned.
struct FactsPrinter: Sendable {
    /// Whether to colour.
    let color: Bool

    /// The lines.
    func text(_ facts: [(name: String, value: TableCell)]) -> String {
        let width = facts.map { TextWidth.of($0.name) }.max() ?? 0
        return facts.reduce(into: "") { text, fact in
            let name = TextWidth.pad(fact.name + ":", width + 1)
            text += "\(name)  \(color ? fact.value.painted : fact.value.text)\n"
        }
    }
}
