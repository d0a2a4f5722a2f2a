// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import NIOCore

/// What is uploaded. It is read from its beginning on, each byte hashed once, and read again from where the server has
/// less than was sent.
protocol UploadContent: Sendable {
    /// Bytes in all; nil when nobody knows before the end.
    var size: Int64? { get }
    /// Bytes that were read and hashed.
    var hashed: Int64 { get async }
    /// The bytes from an offset on, which must not be beyond ``hashed``: up to ``UploadBlock/bytes``, none at the end.
    ///
    /// Throws what the system says, `conflict` when the content changed meanwhile or cannot be read a second time.
    func next(at offset: Int64) async throws(DeployError) -> ByteBuffer
    /// Bytes before an offset will not be asked for again.
    func release(before offset: Int64) async
    /// What was read in all. Throws `conflict` when the content changed while it was read.
    func finish() async throws(DeployError) -> (size: Int64, sha256: ContentHash)
}

/// How much is read at once.
enum UploadBlock {
    /// Bytes: some chunks, so that reading and hashing the next are done while these are sent.
    static let bytes = 8 * FileTransfer.chunk
}
