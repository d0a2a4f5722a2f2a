// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Core
import NIOCore

/// `tiangong audit export`.
struct AuditExportCommand: DeployCommand {
    static let configuration = CommandConfiguration(
        commandName: "export", abstract: "Write records as JSON lines, oldest first, in the form that is hashed.")

    @OptionGroup var globals: GlobalOptions
    @OptionGroup var filter: AuditFilterOptions

    @Option(
        help: ArgumentHelp("Write to this file, for its owner only, instead of standard output.", valueName: "file"))
    var file: String?

    func perform(_ session: CommandSession) async throws(DeployError) -> Int32 {
        let target = try file.map { path throws(DeployError) in try OutputFile(path) }
        let count = try await session.withClient { [filter] client throws(DeployError) in
            var query = try await filter.query(client)
            query.limit = 200
            var count = 0
            repeat {
                let page = try await client.request(.auditExport(query)).data(as: Page<AuditRecord>.self)
                let text = page.items.reduce(into: "") { $0 += AuditChain.line($1) + "\n" }
                if let target {
                    try target.write(text)
                } else {
                    let shown = session.settings.outputIsTerminal ? JSONPrinter.escaped(text) : text
                    try await session.output.write(shown, to: .output)
                }
                count += page.items.count
                guard page.next == nil || page.next != query.cursor else {
                    throw DeployError(.protocolError, "the server repeats a page")
                }
                query.cursor = page.next
            } while query.cursor != nil
            return count
        }
        try target?.finish()
        if let file { try await session.note("\(count) records written to \(file)") }
        return 0
    }
}
