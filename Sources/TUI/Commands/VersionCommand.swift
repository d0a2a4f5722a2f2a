// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Core

/// `tiangong version`.
struct VersionCommand: DeployCommand {
    static let configuration = CommandConfiguration(commandName: "version", abstract: "Print the version.")

    @OptionGroup var globals: GlobalOptions

    private struct Version: Encodable {
        var version = ProtocolVersion.product
        var `protocol` = ProtocolVersion.current
    }

    func perform(_ session: CommandSession) async throws(DeployError) -> Int32 {
        switch session.settings.format {
        case .table where session.settings.quiet: try await session.print(ProtocolVersion.product)
        case .table:
            try await session.print("tiangong \(ProtocolVersion.product) (protocol \(ProtocolVersion.current))")
        case .json: try await session.print(try JSONPrinter.pretty(Version()))
        case .jsonl: try await session.print(try JSONPrinter.line(Version()))
        }
        return 0
    }
}
