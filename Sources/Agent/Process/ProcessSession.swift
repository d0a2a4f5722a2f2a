// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Glibc

/// All processes of one task: the session its program leads, and those that left the session but carry its marker.
struct ProcessSession: Sendable {
    /// The session's id: the process id of the program that leads it; nil when it is not known.
    let id: pid_t?
    /// The task, as its processes' environment names it.
    let reference: TaskReference

    /// How long KILL is repeated before we give up on processes the kernel does not let go.
    static let killing: Duration = .seconds(2)
    /// How often it is sent at least, on a host so busy that looking takes most of that time.
    private static let leastKills = 8

    /// Ends everything: TERM now, KILL after `grace` and again for what still appears, for up to 2 s more.
    ///
    /// - Parameters:
    ///   - grace: From TERM to KILL; asked again while waiting, so that it can be cut short.
    ///   - escaped: Also end processes that made a session of their own.
    /// - Returns: How many processes there were at first.
    @discardableResult
    func end(escaped: Bool, grace: @Sendable () -> Duration) async -> Int {
        // Counted from the first TERM: on a host so busy that looking takes long, nobody is killed without one.
        var began: ContinuousClock.Instant?
        var told: Set<pid_t> = []
        var kills = 0
        var pause: Duration = .milliseconds(2)
        while true {
            let present = await members(escaped: escaped)
            if present.isEmpty { return told.count }
            let now = ContinuousClock.now
            let elapsed = now - (began ?? now)
            began = began ?? now
            let limit = grace()
            if elapsed >= limit + Self.killing, kills >= Self.leastKills { return told.count }
            let mustEnd = elapsed >= limit
            if mustEnd { kills += 1 }
            for pid in present {
                if mustEnd {
                    kill(pid, SIGKILL)
                } else if !told.contains(pid) {
                    kill(pid, SIGTERM)
                    kill(pid, SIGCONT)
                }
                told.insert(pid)
            }
            try? await Task.sleep(for: mustEnd ? .milliseconds(5) : min(pause, limit - elapsed))
            pause = min(pause * 2, .milliseconds(100))
        }
    }

    /// The processes there are now, without those that have ended.
    func members(escaped: Bool) async -> [pid_t] {
        let snapshot = await ProcessTable.host.snapshot(after: .now, markers: escaped)
        let own = getpid()
        let found = snapshot.sessions.filter { pid, session in
            pid != own && (session == id || (escaped && snapshot.markers?[pid] == reference))
        }
        // The leader first, so that a shell dies by the signal and not by noticing that its child did.
        return found.keys.filter { ProcessTable.status(of: $0)?.isZombie == false }.sorted { left, right in
            left == id || (right != id && left < right)
        }
    }
}
