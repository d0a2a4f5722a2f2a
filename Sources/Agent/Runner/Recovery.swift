// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Glibc

/// After a restart of the agent: finds and ends what its predecessor was running.
enum Recovery {
    /// How long processes of an interrupted task have from TERM to KILL.
    private static let grace: Duration = .seconds(2)

    /// What the journal keeps of the session a program leads; nil when the program is gone already.
    static func mark(of pid: pid_t) -> JournalRecord.SessionMark? {
        guard let status = ProcessTable.status(of: pid) else { return nil }
        return JournalRecord.SessionMark(id: pid, startTicks: status.startTicks, boot: boot)
    }

    /// Ends the processes of a task that was running when the agent stopped; returns how many there were.
    static func endProcesses(of reference: TaskReference, _ entry: JournalEntry) async -> Int {
        await ProcessSession(id: session(of: entry), reference: reference).end(escaped: true) { grace }
    }

    /// The task's session, if that number still means the same: same boot, and not reused by a later program.
    private static func session(of entry: JournalEntry) -> pid_t? {
        guard let mark = entry.session, mark.boot == boot else { return nil }
        if let status = ProcessTable.status(of: mark.id), status.startTicks != mark.startTicks { return nil }
        return mark.id
    }

    /// The line in the log of an interrupted task.
    static func note(processes: Int) -> String {
        switch processes {
        case 0: "tiangong: the agent stopped while this ran; no process of it was left when the agent came back"
        case 1: "tiangong: the agent stopped while this ran; 1 process of it was ended when the agent came back"
        default:
            "tiangong: the agent stopped while this ran; \(processes) processes of it were ended when the agent came back"
        }
    }

    private static let boot: String = {
        let descriptor = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return "" }
        defer { close(descriptor) }
        var block = [UInt8](repeating: 0, count: 64)
        let count = read(descriptor, &block, block.count)
        return String(decoding: block.prefix(max(0, count)), as: UTF8.self).filter { !$0.isWhitespace }
    }()
}
