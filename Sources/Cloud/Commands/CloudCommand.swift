// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

public import ArgumentParser
import Core

/// `tiangong-cloud`.
public struct CloudCommand: AsyncParsableCommand {
    /// Names, help and subcommands.
    public static let configuration = CommandConfiguration(
        commandName: "tiangong-cloud",
        abstract: "The server of Tiangong Deploy: agents and operators connect to it.",
        discussion: "See tiangong-cloud(8) and tiangong-cloud.yaml(5).",
        subcommands: [
            ServeCommand.self, OperatorCommand.self, TokenCommand.self, CertificateCommand.self, AuditCommand.self,
            FingerprintCommand.self, VersionCommand.self,
        ],
        defaultSubcommand: ServeCommand.self)

    /// For the parser.
    public init() {}
}

struct VersionCommand: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "version", abstract: "Print the version.")

    func run() { print("tiangong-cloud \(ProtocolVersion.product) (protocol \(ProtocolVersion.current))") }
}

struct FingerprintCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "fingerprint", abstract: "Print the fingerprint of the server's authority, for clients to pin.")

    @OptionGroup var data: DataDirectoryOption

    func run() async throws {
        do {
            let authority = CertificateAuthority(directory: "\(try await data.directory())/tls")
            print("sha256:\(try authority.fingerprint())")
        } catch { throw CommandFailure.report(error) }
    }
}
