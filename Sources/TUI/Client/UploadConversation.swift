// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import NIOCore

/// What an upload needs of ``OperatorClient``.
protocol UploadConversation: Sendable {
    /// Asks and waits for the answer.
    func request(
        _ request: OperatorRequest, timeout: Duration
    ) async throws(DeployError) -> OperatorMessage.Reply
    /// Begins an upload, or goes on with one, over the present link. Throws what the server says, `unreachable` when
    /// the link is lost.
    func open(_ begin: FileBegin, ahead width: Int64) async throws(DeployError) -> any OpenUpload
    /// Waits until there is a link. Throws why there will be none, `unavailable` when cancelled.
    func linked() async throws(DeployError)
}

/// An upload on one link. After its first error it is of no use: it is opened again.
protocol OpenUpload: Sendable {
    /// The upload as it stood when it was opened.
    var info: UploadInfo { get }
    /// Bytes the server has written, as far as it has told.
    var written: Int64 { get }
    /// Sends the bytes at an offset, at most ``FileTransfer/chunk``, once the server has room for them.
    ///
    /// Throws what the server says against this or earlier bytes, `unreachable` when the link is lost.
    func send(_ bytes: ByteBuffer, at offset: Int64) async throws(DeployError)
    /// Waits until the server has told of more than so many bytes. Throws as ``send(_:at:)`` does.
    func progress(beyond offset: Int64) async throws(DeployError)
    /// Completes the upload. Throws as ``send(_:at:)`` does.
    func commit(size: Int64, sha256: ContentHash) async throws(DeployError) -> FileInfo
    /// Nothing more is sent.
    func close()
}
