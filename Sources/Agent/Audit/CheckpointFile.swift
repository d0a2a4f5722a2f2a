// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// A file of checkpoints, oldest first, which never grows beyond a bound.
struct CheckpointFile: Sendable {
    private let path: String

    /// The most checkpoints kept; the newest prove all that the older ones did.
    static let limit = 10_000
    /// The size at which the oldest are dropped, a little above what the limit takes.
    private static let fullSize: Int64 = 8 << 20

    /// - Parameter path: The file; made by the first checkpoint.
    init(_ path: String) { self.path = path }

    /// Adds a checkpoint and returns when it is on the disk; throws what the disk says.
    func append(_ checkpoint: AuditCheckpoint) throws(DeployError) {
        let file = try AppendFile(path)
        let size = try file.checkedSize()
        if size > Self.fullSize {
            let kept = AuditStore.read(checkpoints: path).suffix(Self.limit / 2) + [checkpoint]
            return try PrivateFile.write(kept.map(CheckpointText.line).joined(), to: path)
        }
        // A line that was torn by a loss of power is ended, so that this one can be read.
        let isTorn = try file.tail(1).last.map { $0 != UInt8(ascii: "\n") } ?? false
        try file.append((isTorn ? "\n" : "") + CheckpointText.line(checkpoint), at: size)
        try file.synchronize()
    }
}
