// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import NIOCore

extension OperatorClient: UploadConversation {
    /// Begins an upload, or goes on with one, over the present link.
    ///
    /// - Parameter width: Bytes to send ahead until the server has written some.
    func open(_ begin: FileBegin, ahead width: Int64) async throws(DeployError) -> any OpenUpload {
        let (answer, used) = await perform(.fileBegin(begin))
        let info = try answer.get().data(as: UploadInfo.self)
        let window = CreditWindow(written: info.offset, width: width)
        guard let used, watch(info.id, window, over: used) else { throw Self.lost }
        return Opened(client: self, link: used, window: window, info: info)
    }

    private struct Opened: OpenUpload {
        let client: OperatorClient
        let link: WebSocketLink
        let window: CreditWindow
        let info: UploadInfo

        var written: Int64 { window.written }

        func send(_ bytes: ByteBuffer, at offset: Int64) async throws(DeployError) {
            try await window.room(upTo: offset + Int64(bytes.readableBytes))
            let chunk = OperatorRequest.fileChunk(FileChunkHead(uploadID: info.id, offset: offset), bytes)
            do throws(DeployError) {
                try await link.outbox.send(chunk.frame(id: info.id.rawValue), lane: .bulk)
            } catch {
                throw OperatorClient.lost
            }
        }

        func progress(beyond offset: Int64) async throws(DeployError) { try await window.progress(beyond: offset) }

        func commit(size: Int64, sha256: ContentHash) async throws(DeployError) -> FileInfo {
            let request = OperatorRequest.fileCommit(FileCommit(uploadID: info.id, size: size, sha256: sha256))
            let (answer, _) = await client.perform(request, over: link)
            // What is wrong with the bytes was said before, and is why they cannot be completed.
            if let failure = window.failure { throw failure }
            return try answer.get().data(as: FileInfo.self)
        }

        func close() { client.unwatch(info.id, window) }
    }
}

extension OperatorClient {
    /// Does something while nobody wants to know what else happens: events are taken and dropped, so that links go on.
    func ignoringEvents<Value: Sendable>(_ body: () async -> Value) async -> Value {
        await withTaskGroup(of: Void.self, returning: Value.self) { group in
            group.addTask { while await self.next() != nil {} }
            let value = await body()
            group.cancelAll()
            return value
        }
    }
}

extension OperatorRequest {
    /// What carries content, or must not overtake it, waits behind it.
    var lane: Lane {
        switch self {
        case .fileChunk, .fileCommit, .filePut: .bulk
        case .fileBegin(let begin): begin.uploadID == nil ? .control : .bulk
        default: .control
        }
    }
}
