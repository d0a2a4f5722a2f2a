// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import NIOCore

/// Downloads stored files over HTTPS, over as many connections as it takes, and believes nothing but their hashes.
struct FileDownloader: Sendable {
    /// How a download stands.
    struct Progress: Sendable, Equatable {
        var done: Int64
        var total: Int64
        var stage = UploadProgress.Stage.sending
    }

    let client: TransferClient
    let report: @Sendable (Progress) -> Void

    /// Bytes written at once.
    private static let block = 1 << 20

    /// - Parameter report: Called whenever something has changed.
    init(_ client: TransferClient, report: @escaping @Sendable (Progress) -> Void = { _ in }) {
        self.client = client
        self.report = report
    }

    /// Downloads to a file, from where an earlier download ended.
    ///
    /// Throws `conflict` when it is there already, and what ``fill(_:with:)`` throws.
    func download(_ file: FileInfo, to target: DownloadFile) async throws(DeployError) {
        try await target.resume(upTo: file.size) { done in
            report(Progress(done: done, total: file.size, stage: .reading))
        }
        let isResumed = target.count > 0
        do throws(DeployError) {
            try await fill(target, with: file)
        } catch {
            // What an earlier download left may be of another content.
            guard error.code == .protocolError, isResumed else { throw error }
            try await target.restart()
            try await fill(target, with: file)
        }
        try await target.finish()
    }

    /// Downloads what a sink does not have yet, and checks the whole.
    ///
    /// Throws `unreachable` when the first connection cannot be made; later ones are made again for as long as it takes.
    /// Throws `protocol_error` when the content is not what it should be, and what the server says.
    func fill(_ sink: some DownloadSink, with file: FileInfo) async throws(DeployError) {
        var backoff = Backoff(base: .milliseconds(500), cap: .seconds(30))
        var hasBegun = false
        while await sink.count < file.size {
            let before = await sink.count
            do throws(DeployError) {
                try await receive(file, into: sink)
                hasBegun = true
            } catch {
                let wasCut = [.unreachable, .unavailable, .rateLimited].contains(error.code)
                let hasMoved = await sink.count > before
                guard wasCut, hasBegun || hasMoved, !Task.isCancelled else { throw error }
                hasBegun = true
                if hasMoved { backoff.reset() }
                report(Progress(done: await sink.count, total: file.size, stage: .waiting(error.message)))
                try? await Task.sleep(for: backoff.next())
            }
            if Task.isCancelled { throw DeployError(.canceled, "given up") }
        }
        guard await sink.count == file.size, await sink.sha256 == file.sha256 else {
            throw DeployError(
                .protocolError, "what came of file \(file.id) is not its content",
                hint: "it was damaged on the way, or on the server's disk")
        }
        report(Progress(done: file.size, total: file.size, stage: .completing))
    }

    /// What one connection brings.
    private func receive(_ file: FileInfo, into sink: some DownloadSink) async throws(DeployError) {
        let offset = await sink.count
        let response = try await client.get(
            "/api/v1/files/\(file.id)/content", from: offset > 0 ? offset : nil,
            ifRange: offset > 0 ? "\"\(file.sha256)\"" : nil)
        if offset > 0, response.status != 206 { try await sink.restart() }
        var gathered = ByteBuffer()
        while true {
            let part = try await take(response, gathered, sink)
            guard var part else { break }
            guard await sink.count + Int64(gathered.readableBytes + part.readableBytes) <= file.size else {
                response.cancel()
                throw DeployError(.protocolError, "the server sent more than the \(file.size) bytes of file \(file.id)")
            }
            if gathered.readableBytes == 0 { gathered = part } else { gathered.writeBuffer(&part) }
            guard gathered.readableBytes >= Self.block else { continue }
            try await sink.write(gathered)
            gathered = ByteBuffer()
            report(Progress(done: await sink.count, total: file.size))
        }
        try await sink.write(gathered)
        report(Progress(done: await sink.count, total: file.size))
    }

    /// The next part; before an error goes on, what had come is kept.
    private func take(
        _ response: TransferResponse, _ gathered: ByteBuffer, _ sink: some DownloadSink
    ) async throws(DeployError) -> ByteBuffer? {
        do throws(DeployError) {
            return try await response.next()
        } catch {
            try await sink.write(gathered)
            throw error
        }
    }
}
