// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Glibc
import Subprocess
import SystemPackage

/// A program to start, and everything it sees.
struct ProcessCommand: Sendable {
    /// The program: a path when it has a slash, otherwise looked up in the environment's `PATH`.
    var program: String
    /// Its arguments, without the program itself.
    var arguments: [String]
    /// All its variables but the secret ones.
    var environment: [String: String]
    /// Its secret variables.
    var secretEnvironment: [String: Secret] = [:]
    /// Where it starts.
    var workingDirectory: String
    /// The account to switch to; nil for the agent's own.
    var account: Account?
    /// What its standard input holds; nil for nothing.
    var standardInput: Input?

    /// What standard input holds.
    enum Input: Sendable {
        case bytes([UInt8])
        case secret(Secret)

        /// The bytes themselves.
        var bytes: [UInt8] {
            switch self {
            case .bytes(let bytes): bytes
            case .secret(let secret): secret.reveal()
            }
        }
    }

    /// Where programs are looked up unless a task says otherwise.
    static let defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

    /// The small environment every task begins with, for an account. Nothing else of the agent's own gets through.
    static func baseEnvironment(for account: Account, of reference: TaskReference) -> [String: String] {
        var variables = [
            "PATH": defaultPath, "LANG": getenv("LANG").map { String(cString: $0) } ?? "C.UTF-8", "HOME": account.home,
            "USER": account.name, "LOGNAME": account.name, "SHELL": account.shell.isEmpty ? "/bin/sh" : account.shell,
            ProcessTable.taskVariable: reference.taskID.rawValue,
            ProcessTable.attemptVariable: String(reference.attempt),
        ]
        variables["TZ"] = getenv("TZ").map { String(cString: $0) }
        return variables
    }

    /// Adds a variable of the task. Throws `policy_denied` for one that decides which code runs, whatever the policy says,
    /// and `invalid_argument` for one by which the agent knows its processes.
    mutating func set(_ name: String, to value: TaskValue, _ secrets: TaskSecrets) throws(DeployError) {
        if ProtectedVariable.includes(name) {
            throw DeployError(.policyDenied, "no task may set the variable \(name): it decides which code runs")
        }
        if name == ProcessTable.taskVariable || name == ProcessTable.attemptVariable {
            throw DeployError(.invalidArgument, "the variable \(name) is set by the agent")
        }
        switch value {
        case .text(let text):
            environment[name] = text
        case .secret(let reference):
            _ = try secrets.text(reference)
            environment[name] = nil
            secretEnvironment[name] = try secrets.secret(reference)
        }
    }

    /// What swift-subprocess needs to know; the program leads a session of its own.
    var configuration: Configuration {
        var options = PlatformOptions()
        options.createSession = true
        if let account {
            options.userID = account.userID
            options.groupID = account.groupID
            options.supplementaryGroups = account.groups
        }
        let revealed = secretEnvironment.mapValues { String(decoding: $0.reveal(), as: UTF8.self) }
        let variables = environment.merging(revealed) { $1 }.compactMap { key, value in
            Environment.Key(rawValue: key).map { ($0, value) }
        }
        return Configuration(
            executable: program.contains("/") ? .path(FilePath(program)) : .name(program),
            arguments: Arguments(executablePathOverride: program, remainingValues: arguments),
            environment: .custom(Dictionary(uniqueKeysWithValues: variables)),
            workingDirectory: FilePath(workingDirectory), platformOptions: options)
    }

    /// Says for people why the program did not start, and what to do.
    func startFailure(_ error: any Error) -> DeployError {
        let who = account.map { " as user '\($0.name)'" } ?? ""
        guard StateDirectory.exists(workingDirectory) else {
            return DeployError(
                .startFailed, "working directory '\(workingDirectory)' does not exist on this host",
                hint: "make it, or give another --cwd")
        }
        let shown = String(program.prefix(256))
        guard let error = error as? SubprocessError else {
            return DeployError(.startFailed, "'\(shown)' could not be started\(who): \(error)")
        }
        let path = program.hasPrefix("/") ? program : workingDirectory + "/" + program
        let exists = program.contains("/") && access(path, F_OK) == 0
        let code = exists && error.code == .executableNotFound ? EACCES : error.underlyingError?.rawValue
        switch (error.code, code) {
        case (.executableNotFound, _) where code != EACCES, (_, ENOENT):
            let place = program.contains("/") ? "" : " in PATH"
            return DeployError(
                .startFailed, "program '\(shown)' was not found\(place)", hint: "install it, or give its full path")
        case (_, EACCES), (_, EPERM):
            return DeployError(
                .startFailed, "'\(shown)' in '\(workingDirectory)' may not be started\(who): permission denied",
                hint: "check the file's mode and the user")
        case (_, ENOEXEC): return DeployError(.startFailed, "'\(shown)' is not a program this host can run")
        case (_, E2BIG):
            return DeployError(.startFailed, "the arguments of '\(shown)' are too long", hint: "send a script on stdin")
        case (_, EMFILE), (_, ENFILE), (_, EAGAIN), (_, ENOMEM):
            return DeployError(
                .startFailed, "'\(shown)' could not be started: this host is out of processes, descriptors or memory",
                hint: "lower max-concurrency, or raise the limits")
        default: return DeployError(.startFailed, "'\(shown)' could not be started\(who): \(error.description)")
        }
    }
}
