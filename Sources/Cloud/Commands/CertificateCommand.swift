// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Core

struct CertificateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "certificate", abstract: "List and revoke the client certificates of agents.",
        subcommands: [CertificateList.self, CertificateRevoke.self], defaultSubcommand: CertificateList.self)
}

struct CertificateList: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List the certificates that have not ended.")

    @OptionGroup var data: DataDirectoryOption

    func run() async throws {
        do {
            let store = try await Store.open(directory: try await data.directory())
            for row in try await store.read({ try ClientCertificateTable.all($0) }) {
                let state = row.revokedAt.map { "revoked \($0)" } ?? "valid"
                print("\(row.serial)  \(row.agentName)  issued \(row.issuedAt)  until \(row.notAfter)  \(state)")
            }
            await store.driver.close()
        } catch { throw CommandFailure.report(error) }
    }
}

struct CertificateRevoke: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "revoke",
        abstract: "Revoke certificates: links opened with them end, and the handshake refuses them.")

    @Argument(help: "Serial numbers, as `certificate list` shows them.")
    var serials: [String] = []

    @Option(help: "Revoke all certificates of this agent.")
    var agent: String?

    @OptionGroup var data: DataDirectoryOption

    func validate() throws {
        guard serials.isEmpty != (agent == nil) else {
            throw ValidationError("give serial numbers, or --agent NAME")
        }
    }

    func run() async throws {
        do {
            let (serials, agent) = (serials.map { $0.lowercased() }, agent)
            let store = try await Store.open(directory: try await data.directory())
            try await store.write { transaction in
                for serial in serials {
                    guard try ClientCertificateTable.revoke(serial: serial, transaction) else {
                        throw DeployError(
                            .notFound, "no valid certificate has the serial number \(serial)",
                            hint: "tiangong-cloud certificate list")
                    }
                    try AuditTrail.append(
                        AuditRecord(local: "certificate.revoke").with(["serial": .string(serial)]), transaction)
                }
                guard let agent else { return }
                guard let found = try AgentTable.find(nameOrID: agent, in: Scope(), transaction) else {
                    throw DeployError(.notFound, "no agent is called '\(agent)'", hint: "tiangong agent list")
                }
                let count = try ClientCertificateTable.revokeAll(agent: found.id, transaction)
                guard count > 0 else {
                    throw DeployError(.notFound, "agent \(found.name) has no valid certificate")
                }
                var record = AuditRecord(local: "certificate.revoke").with(["count": .integer(Int64(count))])
                record.agent = found.name
                try AuditTrail.append(record, transaction)
            }
            await store.driver.close()
        } catch { throw CommandFailure.report(error) }
    }
}
