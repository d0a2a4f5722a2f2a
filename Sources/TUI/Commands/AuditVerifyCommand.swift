// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Core

/// `tiangong audit verify`.
struct AuditVerifyCommand: DeployCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify",
        abstract: "Verify the Cloud's audit and those of its agents, each against what the other side holds.",
        discussion: "Exits with 9 when anything is found, with 7 when only an agent that was named did not answer.")

    @OptionGroup var globals: GlobalOptions

    @Option(
        name: .shortAndLong,
        help: ArgumentHelp("Only this agent's audit besides the Cloud's; may be repeated.", valueName: "name"))
    var agent: [String] = []

    @Option(help: ArgumentHelp("Verify an exported file instead, without a server.", valueName: "file"))
    var file: String?

    @Flag(help: "With --file: it holds some records only, so that others may be missing.")
    var partial = false

    /// Long audits take their time.
    private static let patience: Duration = .seconds(600)

    func perform(_ session: CommandSession) async throws(DeployError) -> Int32 {
        guard file != nil || !partial else { throw DeployError(.invalidArgument, "--partial is for --file only") }
        guard file == nil || agent.isEmpty else {
            throw DeployError(.invalidArgument, "--agent cannot be combined with --file")
        }
        let names = agent.isEmpty ? nil : try SelectorOptions.names(agent)
        let verification =
            if let file {
                AuditVerification(chains: [try verify(file)])
            } else {
                try await session.withClient { client throws(DeployError) in
                    try await client.request(.auditVerify(AuditVerify(agents: names)), timeout: Self.patience)
                        .data(as: AuditVerification.self)
                }
            }
        switch session.settings.format {
        case .json: try await session.print(try JSONPrinter.pretty(verification))
        case .jsonl:
            for chain in verification.chains { try await session.print(try JSONPrinter.line(chain)) }
        case .table:
            for chain in verification.chains where !session.settings.quiet || !chain.isWhole {
                try await session.print(chain.text)
            }
        }
        if verification.chains.contains(where: { !$0.findings.isEmpty }) { return ErrorCode.conflict.exitStatus }
        return verification.chains.compactMap(\.error).first?.code.exitStatus ?? 0
    }

    private func verify(_ file: String) throws(DeployError) -> AuditChainReport {
        var verifier = AuditVerifier(chain: file, isPartial: partial)
        try AuditFile.lines(file) { verifier.take(AuditLine($0)) }
        return verifier.finish()
    }
}
