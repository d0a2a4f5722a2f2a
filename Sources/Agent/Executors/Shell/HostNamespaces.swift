// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Glibc

/// Runs a program in the namespaces of another process, which is the host's first one unless set otherwise. Whether a task
/// may ask for that is the policy's to say.
struct HostNamespaces: Sendable, Equatable {
    /// Whose namespaces.
    var targetProcess: Int32 = 1

    /// Changes a command so that it runs there. Throws `start_failed` when this agent cannot do that.
    func enter(_ command: inout ProcessCommand, workingDirectory: String?) throws(DeployError) {
        guard geteuid() == 0 else {
            throw DeployError(.startFailed, "only an agent that runs as root can enter the host's namespaces")
        }
        let paths = ProcessCommand.defaultPath.split(separator: ":").map { "\($0)/nsenter" }
        guard let program = paths.first(where: { access($0, X_OK) == 0 }) else {
            throw DeployError(.startFailed, "nsenter is not installed beside this agent", hint: "install util-linux")
        }
        guard access("/proc/\(targetProcess)/ns/mnt", F_OK) == 0 else {
            throw DeployError(
                .startFailed, "there is no process \(targetProcess) here whose namespaces could be entered",
                hint: "check host-namespaces.target-pid")
        }
        var arguments = ["--target", "\(targetProcess)", "--mount", "--uts", "--ipc", "--net", "--pid"]
        if let workingDirectory { arguments.append("--wd=/proc/\(targetProcess)/root\(workingDirectory)") }
        command.arguments = arguments + ["--", command.program] + command.arguments
        command.program = program
        command.workingDirectory = "/"
    }
}
