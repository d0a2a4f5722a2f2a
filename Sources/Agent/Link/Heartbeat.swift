// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// Tells the Cloud how the agent fares, until canceled.
struct Heartbeat: Sendable {
    /// Seconds between two of them, as the Cloud asks.
    let interval: Double
    /// Where they go.
    let outbox: Outbox
    /// Whom to ask for tasks.
    let runner: TaskRunner
    /// The agent's own policy, looked at each time.
    let policy: AgentPolicy
    /// The agent's audit, whose newest checkpoint is told when there is a newer one.
    let audit: AuditLog
    /// Where the agent keeps its state, for the free space there.
    let directory: String

    /// Sends one now and then, each up to a tenth early so that many agents do not beat together.
    func run() async {
        let seconds = min(max(interval, 1), 3600)
        var told: Int64 = 0
        while !Task.isCancelled {
            policy.refresh()
            let (running, queued) = await runner.load
            var beat = AgentHeartbeat()
            beat.running = running
            beat.queued = queued
            beat.load = HostFacts.load
            beat.memory = HostFacts.residentBytes
            beat.disk = HostFacts.freeBytes(at: directory)
            beat.clock = .now()
            if let checkpoint = audit.newestCheckpoint, checkpoint.seq > told {
                beat.auditHead = checkpoint
                told = checkpoint.seq
            }
            outbox.offer(AgentMessage.heartbeat(beat).frame(), lane: .control)
            try? await Task.sleep(
                for: .seconds(seconds * Double.random(in: 0.9...1)), tolerance: .seconds(seconds / 50))
        }
    }
}
