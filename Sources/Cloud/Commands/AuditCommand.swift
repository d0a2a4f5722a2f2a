// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Core

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// Works on the server's own audit, beside a running server too.
struct AuditCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "audit", abstract: "Check this server's audit.", subcommands: [AuditVerifyCommand.self])
}

/// Verifies the audit in the database.
struct AuditVerifyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify", abstract: "Verify the audit's chain and checkpoints, and name what is wrong.",
        discussion: """
            Without the agents, who hold copies of the checkpoints: `tiangong audit verify` asks them too. The asking \
            itself is not recorded, since the database is only read.
            """)

    @OptionGroup var data: DataDirectoryOption

    func run() async throws {
        do {
            let directory = try await data.directory()
            guard access("\(directory)/cloud.db", F_OK) == 0 else {
                throw DeployError(
                    .notFound, "\(directory) is no server's data directory", hint: "give --data-dir, or --config")
            }
            let store = try await Store.open(directory: directory)
            let report = try await CloudChain.verify(
                store, held: [], key: try AuditSigner.publicKey(path: "\(directory)/audit/key"))
            print(report.text)
            if !report.isWhole { throw DeployError(.conflict, "the audit is not whole") }
        } catch { throw CommandFailure.report(error) }
    }
}
