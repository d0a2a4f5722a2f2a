// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Core
import Glibc

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// Says what is wrong with settings and policies before a restart finds out.
struct CheckCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check", abstract: "Check settings and policy files, and what they name.",
        discussion: "One line for each problem, as FILE:LINE: TEXT. Exit status 2 when there is one, else 0.")

    @Argument(help: ArgumentHelp("A settings file or a policy; which of them is told by its keys.", valueName: "file"))
    var files: [String]

    func run() async throws {
        var isBad = false
        for file in files {
            let (problems, warnings) = await ConfigurationCheck(
                environment: ProcessInfo.processInfo.environment
            ).run(file)
            for problem in problems { print(Sanitizer.line(problem.description)) }
            for warning in warnings { print(Sanitizer.line("\(warning.file): warning: \(warning.text)")) }
            if problems.isEmpty { print(Sanitizer.line("\(file): ok")) } else { isBad = true }
        }
        if isBad { throw ExitCode(ErrorCode.invalidArgument.exitStatus) }
    }
}
