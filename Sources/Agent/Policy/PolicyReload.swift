// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import ServiceLifecycle
import UnixSignals

/// Reads the policy file again on SIGHUP.
struct PolicyReload: Service, CustomStringConvertible {
    /// Whose file.
    let policy: AgentPolicy

    /// For logs.
    var description: String { "policy reload" }

    /// Runs until the agent stops.
    func run() async {
        for await _ in await UnixSignalsSequence(trapping: .sighup).cancelOnGracefulShutdown() { policy.refresh() }
    }
}
