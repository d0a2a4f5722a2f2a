// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// Where a log is shown; each send waits until there is room.
protocol LogSink {
    mutating func send(_ chunk: LogChunk, of taskID: TaskID, attempt: Int) async throws
    /// The log is complete up to the task's end, or up to now.
    mutating func end(_ state: LogState) async throws
}

/// The bulk lane of a link.
struct LinkLogSink: LogSink {
    let outbox: Outbox

    func send(_ chunk: LogChunk, of taskID: TaskID, attempt: Int) async throws {
        try await outbox.send(OperatorMessage.logFrame(taskID: taskID, attempt: attempt, chunk), lane: .bulk)
    }

    func end(_ state: LogState) async throws {
        try await outbox.send(OperatorMessage.logEndFrame(state), lane: .bulk)
    }
}
