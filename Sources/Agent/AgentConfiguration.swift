// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// Everything an operator can set; see tiangong-agent.yaml(5).
struct AgentConfiguration: Sendable {
    /// Where the Cloud is.
    var server: ServerEndpoint
    /// The file that holds the agent's token; nil for the one it got when it enrolled.
    var tokenFile: String?
    /// The file that holds an enrolment token, for an agent that has no token yet.
    var enrolmentTokenFile: String?
    /// The name to enrol with.
    var name: String
    /// Where the agent keeps its state.
    var dataDirectory: String
    /// Where it belongs, such as `prod`.
    var environment: String
    /// `key=value` pairs that selectors match.
    var labels: [String: String]
    /// Tasks at once.
    var maxConcurrency: Int
    /// From TERM to KILL, unless a task says otherwise.
    var grace: Duration
    /// Raw bytes of output kept per task, unless a task says otherwise.
    var taskLogLimit: Int64
    /// Bytes of output on disk for all tasks, at which programs must wait.
    var spoolLimit: Int
    /// The agent's own policy.
    var policyFile: String
    /// Where secrets are, one file for each.
    var secretsDirectory: String
    /// The process whose namespaces are the host's.
    var hostProcess: Int32
    /// `trace` to `critical`.
    var logLevel: String
    /// The file that settings came from, if there was one.
    var settingsFile: String?
    /// Which executors there are, and what they connect to.
    var executors: ExecutorSettings
}

extension AgentConfiguration {
    /// What tasks must not touch through files: the agent's state and settings, and all that is secret.
    var ownFiles: [String] {
        var files = [dataDirectory, secretsDirectory, policyFile]
        if case .caFile(let file) = server.trust { files.append(file) }
        return files + [settingsFile, tokenFile, enrolmentTokenFile].compactMap { $0 }
    }
}
