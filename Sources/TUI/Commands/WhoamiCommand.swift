// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Core

/// `tiangong whoami`.
struct WhoamiCommand: DeployCommand {
    static let configuration = CommandConfiguration(
        commandName: "whoami", abstract: "Show whom the server takes you for, and what you may do.")

    @OptionGroup var globals: GlobalOptions

    func perform(_ session: CommandSession) async throws(DeployError) -> Int32 {
        let info = try await session.withClient { client throws(DeployError) in
            try await client.request(.serverInfo).data(as: ServerInfo.self)
        }
        try await session.show(info, key: info.actor, facts: Self.facts(info))
        return 0
    }

    static func facts(_ info: ServerInfo) -> [(name: String, value: TableCell?)] {
        [
            ("Operator", TableCell(info.actor)), ("Role", TableCell(info.role.rawValue)),
            ("Reach", TableCell(ScopeText.text(info.scope))),
            ("Server", TableCell("\(info.server), version \(info.version), protocol \(info.protocol)")),
            ("Clock", TableCell(info.clock.description)),
        ]
    }
}
