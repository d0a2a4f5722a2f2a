// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Glibc
import NIOCore

/// Which processes there are, and to which session and task they belong.
///
/// One scan serves everybody who asked before it began, so that a thousand tasks ending at once cost a few scans.
actor ProcessTable {
    /// The processes of one moment.
    struct Snapshot: Sendable {
        /// Session id by process id; zombies included.
        var sessions: [pid_t: pid_t]
        /// The environment marker by process id, for processes that carry one and whose environment is readable.
        var markers: [pid_t: TaskReference]?
    }

    /// The one table of this host.
    static let host = ProcessTable()

    /// Names the task in its processes' environment.
    static let taskVariable = "TIANGONG_TASK_ID"
    /// Names the try in its processes' environment.
    static let attemptVariable = "TIANGONG_TASK_ATTEMPT"

    private var last: (began: ContinuousClock.Instant, snapshot: Snapshot)?

    /// The processes at some moment not before `moment`.
    func snapshot(after moment: ContinuousClock.Instant, markers: Bool) -> Snapshot {
        if let last, last.began >= moment, !markers || last.snapshot.markers != nil { return last.snapshot }
        let began = ContinuousClock.now
        let snapshot = Self.scan(markers: markers)
        last = (began, snapshot)
        return snapshot
    }

    private static func scan(markers: Bool) -> Snapshot {
        var snapshot = Snapshot(sessions: [:], markers: markers ? [:] : nil)
        guard let directory = opendir("/proc") else { return snapshot }
        defer { closedir(directory) }
        while let entry = readdir(directory) {
            guard let pid = processID(entry) else { continue }
            let session = getsid(pid)
            guard session > 0 else { continue }
            snapshot.sessions[pid] = session
            if markers, pid != getpid(), let marker = marker(of: pid) { snapshot.markers?[pid] = marker }
        }
        return snapshot
    }

    private static func processID(_ entry: UnsafeMutablePointer<dirent>) -> pid_t? {
        withUnsafePointer(to: &entry.pointee.d_name) { pointer in
            pointer.withMemoryRebound(to: CChar.self, capacity: 256) { name in
                guard name[0] >= 48, name[0] <= 57 else { return nil }
                return pid_t(exactly: strtol(name, nil, 10))
            }
        }
    }

    /// The task that a process says it belongs to, by the environment it was started with.
    static func marker(of pid: pid_t) -> TaskReference? {
        let descriptor = open("/proc/\(pid)/environ", O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var block = [UInt8](repeating: 0, count: 16_384)
        while bytes.count < 4 << 20 {
            let count = read(descriptor, &block, block.count)
            if count <= 0 { break }
            bytes.append(contentsOf: block[..<count])
        }
        guard let id = value(of: taskVariable, in: bytes).flatMap({ TaskID($0) }),
            let attempt = value(of: attemptVariable, in: bytes).flatMap({ Int($0) })
        else { return nil }
        return TaskReference(taskID: id, attempt: attempt)
    }

    private static func value(of variable: String, in environment: [UInt8]) -> String? {
        let prefix = Array("\(variable)=".utf8)
        let entry = environment.split(separator: 0).first { $0.starts(with: prefix) }
        return entry.map { String(decoding: $0.dropFirst(prefix.count), as: UTF8.self) }
    }

    /// What `/proc/PID/stat` says of one process.
    struct Status: Sendable, Equatable {
        /// Whether it has ended and only waits to be reaped.
        var isZombie: Bool
        /// When it started, in clock ticks since boot: tells two processes of one number apart.
        var startTicks: UInt64
    }

    /// One process; nil when there is none of that number.
    static func status(of pid: pid_t) -> Status? {
        let descriptor = open("/proc/\(pid)/stat", O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var block = [UInt8](repeating: 0, count: 1024)
        let count = read(descriptor, &block, block.count)
        // The name in parentheses may hold anything, so count from the last parenthesis: state is field 3, start 22.
        guard count > 0, let end = block[..<count].lastIndex(of: UInt8(ascii: ")")) else { return nil }
        let fields = block[(end + 1)..<count].split(separator: UInt8(ascii: " "))
        guard fields.count > 19, let ticks = UInt64(String(decoding: fields[19], as: UTF8.self)) else { return nil }
        return Status(isZombie: fields[0].first == UInt8(ascii: "Z"), startTicks: ticks)
    }
}
