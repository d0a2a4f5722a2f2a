// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import NIOCore

/// A whole log in memory, so that it can be played at its own pace while no link waits for it.
actor Recording: LogReceiver {
    /// What was printed, in order.
    private(set) var segments: [LogSegment] = []
    private var bytes = 0

    /// The most bytes; an agent keeps 64 MiB of a task unless it was told otherwise.
    private static let limit = 256 << 20

    /// Keeps a piece. Throws `too_large` when the log does not fit.
    func receive(_ segment: LogSegment, of task: TaskID) async throws(DeployError) {
        bytes += segment.bytes.readableBytes
        guard bytes <= Self.limit else {
            throw DeployError(
                .tooLarge, "the log is over \(Self.limit >> 20) MiB", hint: "tiangong logs \(task) prints it")
        }
        segments.append(segment)
    }

    /// Nothing more comes.
    func ended(_ task: TaskRecord) async {}
    /// The rest comes over the next link.
    func interrupted(_ error: DeployError, retryIn: Duration) async {}
    /// It goes on.
    func resumed() async {}
}
