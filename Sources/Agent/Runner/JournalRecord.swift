// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import NIOCore

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// One line of the journal's story.
enum JournalRecord: Sendable, Equatable {
    /// About to be executed: on disk before it happens.
    case start(TaskReference, at: Timestamp)
    /// Executed: the session its program leads.
    case spawned(TaskReference, SessionMark)
    /// Ended; the completion is owed to the Cloud.
    case end(TaskCompletion)
    /// The Cloud has committed the end.
    case forget(TaskReference)

    /// What tells a session from a later one with the same number.
    struct SessionMark: Sendable, Equatable, Codable {
        /// The session's id.
        var id: Int32
        /// When its leader started, in clock ticks since boot.
        var startTicks: UInt64
        /// Which boot of the host.
        var boot: String
    }

    private struct Stored: Codable {
        var kind: String
        var task: TaskReference?
        var at: Timestamp?
        var session: SessionMark?
        var completion: TaskCompletion?
    }

    /// The record's JSON.
    var body: ByteBuffer {
        let stored =
            switch self {
            case .start(let task, let at): Stored(kind: "start", task: task, at: at)
            case .spawned(let task, let session): Stored(kind: "spawned", task: task, session: session)
            case .end(let completion): Stored(kind: "end", completion: completion)
            case .forget(let task): Stored(kind: "forget", task: task)
            }
        // Our own values always encode; an empty record is skipped by the reader.
        return ByteBuffer(bytes: (try? JSONEncoder().encode(stored)) ?? Data("{}".utf8))
    }

    /// Reads a record's JSON; nil for a kind of a later version.
    init?(_ body: ByteBuffer) {
        guard let stored = try? JSONDecoder().decode(Stored.self, from: Data(body.readableBytesView)) else {
            return nil
        }
        switch (stored.kind, stored.task, stored.completion) {
        case ("start", let task?, _): self = .start(task, at: stored.at ?? .now())
        case ("spawned", let task?, _):
            guard let session = stored.session else { return nil }
            self = .spawned(task, session)
        case ("end", _, let completion?): self = .end(completion)
        case ("forget", let task?, _): self = .forget(task)
        default: return nil
        }
    }
}

/// What the journal knows of one task attempt.
struct JournalEntry: Sendable, Equatable {
    /// When it was started; nil when it ended without a start.
    var startedAt: Timestamp?
    /// Its session, if it got so far.
    var session: JournalRecord.SessionMark?
    /// Its end, if it has ended.
    var completion: TaskCompletion?

    /// The records that say the same.
    func records(_ reference: TaskReference) -> [JournalRecord] {
        var records: [JournalRecord] = []
        if let startedAt { records.append(.start(reference, at: startedAt)) }
        if let session { records.append(.spawned(reference, session)) }
        if let completion { records.append(.end(completion)) }
        return records
    }
}
