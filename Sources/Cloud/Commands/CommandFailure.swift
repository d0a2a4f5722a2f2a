// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Core

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// The one way a command of this program fails: a sentence on standard error, what to try, the table's exit status.
enum CommandFailure {
    static func report(_ error: any Error) -> any Error {
        if error is ExitCode { return error }
        let error = DeployError(wrapping: error)
        StandardError.report(error, program: "tiangong-cloud")
        return ExitCode(error.code.exitStatus)
    }
}

/// `--data-dir`, for commands that work on the files beside a running server.
struct DataDirectoryOption: ParsableArguments {
    @Option(name: .customLong("data-dir"), help: "Where the server keeps its state.")
    var path: String?

    @Option(name: .customLong("config"), help: "The server's configuration file.")
    var config: String?

    /// The absolute directory, from the option, the environment or the server's configuration file.
    func directory() async throws(DeployError) -> String {
        let flags = try path.map { path throws(DeployError) in ["data-dir": try AbsolutePath.of(path)] } ?? [:]
        let reader = try await ConfigurationStack.reader(flags: flags, file: ServerFile.path(config))
        return try CloudConfiguration(reader: reader).dataDirectory
    }
}

/// Paths given on the command line may be relative to the working directory.
enum AbsolutePath {
    static func of(_ path: String) throws(DeployError) -> String {
        if path.hasPrefix("/") { return path }
        guard let current = getcwd(nil, 0) else { throw DeployError(.internal, "no working directory") }
        defer { free(current) }
        return "\(String(cString: current))/\(path)"
    }
}

/// The server's configuration file.
enum ServerFile {
    /// The file that was named, or the standard one when it exists.
    static func path(_ given: String?) -> String? {
        let standard = "/etc/tiangong/cloud.yaml"
        return given ?? (access(standard, R_OK) == 0 ? standard : nil)
    }
}
