// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Core

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// A subcommand: parsed by ArgumentParser, performed with what the globals make of the world.
protocol DeployCommand: AsyncParsableCommand {
    /// Options every command takes.
    var globals: GlobalOptions { get }
    /// Does the work and gives the exit status.
    func perform(_ session: CommandSession) async throws(DeployError) -> Int32
}

extension DeployCommand {
    /// Performs the command; always throws the exit status.
    func run() async throws { throw ExitCode(await execute()) }

    /// Performs the command; an error is written to standard error and becomes its exit status.
    func execute() async -> Int32 {
        let environment = ProcessInfo.processInfo.environment
        var format = globals.output ?? .table
        do throws(DeployError) {
            let settings = try OutputSettings(
                format: globals.output, color: globals.color, quiet: globals.quiet, environment: environment)
            format = settings.format
            return try await perform(
                CommandSession(flags: globals.connection, settings: settings, environment: environment))
        } catch {
            CommandSession.report(error, format: format)
            return error.code.exitStatus
        }
    }
}
