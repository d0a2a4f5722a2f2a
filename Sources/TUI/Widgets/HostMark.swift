// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// The red mark of whatever reaches into the namespaces of an agent's host.
enum HostMark {
    static let text = "[HOST]"

    @discardableResult
    static func draw(_ canvas: inout Canvas, _ column: Int, _ row: Int) -> Int { canvas.put(text, column, row, .bad) }

    /// The cell of an agent whose own policy file allows it.
    static func value(_ agent: AgentInfo) -> Table.Value {
        agent.hostNamespaces == true ? Table.Value(text, .bad) : Table.Value("")
    }
}
