// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import NIOCore

/// The contents of a task's files, read one after the other over one request; after a cut the next request begins exactly where the
/// last one ended. Used by one task.
struct ContentStream {
    /// Requests that were cut or failed.
    private(set) var cuts = 0

    private let cloud: CloudContent
    private let path: String
    private let sizes: [Int64]
    private let limiter: RateLimiter
    private var patience: CloudPatience
    private var client: TransferClient?
    private var response: TransferResponse?
    private var rest = ByteBuffer()
    /// Where the next byte of `response` belongs.
    private var file = 0
    private var offset: Int64 = 0

    /// Bytes that are rather read and dropped than asked for anew.
    private static let skipped: Int64 = 1 << 20

    /// - Parameters:
    ///   - context: The task.
    ///   - sizes: The sizes of its files, in their order.
    ///   - executor: Whose settings hold.
    init(_ context: ExecutionContext, sizes: [Int64], _ executor: FileExecutor) {
        cloud = executor.cloud
        path = CloudContent.path(context.reference.taskID, "content")
        self.sizes = sizes
        limiter = executor.bandwidth
        patience = CloudPatience(context)
    }

    /// The next bytes of a file from an offset: at least one, and none of the file behind it.
    ///
    /// Waits for the Cloud as long as that helps. Throws what it refuses, and `canceled` when the task is.
    mutating func next(_ wanted: Int, from start: Int64) async throws(DeployError) -> ByteBuffer {
        while true {
            var wasAnswered = false
            do throws(DeployError) {
                try await open(wanted, start)
                wasAnswered = true
                while file != wanted || offset != start { _ = try await take(skipTo: wanted, start) }
                let bytes = try await take(skipTo: nil, 0)
                patience.succeeded()
                return bytes
            } catch {
                pause()
                client = nil
                cuts += 1
                try await patience.wait(after: error, wasAnswered: wasAnswered)
            }
        }
    }

    /// Lets the Cloud go until the next bytes are wanted.
    mutating func pause() {
        response?.cancel()
        response = nil
        rest = ByteBuffer()
    }

    /// Some bytes of the present file, none beyond the place that is skipped to.
    private mutating func take(skipTo wanted: Int?, _ start: Int64) async throws(DeployError) -> ByteBuffer {
        while file < sizes.count, offset == sizes[file], wanted != file { (file, offset) = (file + 1, 0) }
        guard file < sizes.count, let response else {
            throw DeployError(.internal, "there is nothing behind the last file")
        }
        let end = wanted == file ? start : sizes[file]
        guard offset < end else { return ByteBuffer() }
        if rest.readableBytes == 0 {
            guard let part = try await response.next() else {
                throw DeployError(.unreachable, "the Cloud's answer ended too early")
            }
            await limiter.spend(part.readableBytes)
            rest = part
        }
        let count = Int(min(Int64(rest.readableBytes), end - offset))
        guard let bytes = rest.readSlice(length: count) else { return ByteBuffer() }
        offset += Int64(count)
        return bytes
    }

    /// Makes sure that the response leads to a place.
    private mutating func open(_ wanted: Int, _ start: Int64) async throws(DeployError) {
        if response != nil, let gap = gap(to: wanted, start), gap <= Self.skipped { return }
        pause()
        if client == nil { client = try cloud.client(for: limiter) }
        response = try await client?.get(path, query: [("file", "\(wanted)"), ("offset", "\(start)")])
        (file, offset) = (wanted, start)
    }

    /// Bytes between here and a place further on; nil for one behind.
    private func gap(to wanted: Int, _ start: Int64) -> Int64? {
        guard wanted > file || wanted == file && start >= offset else { return nil }
        if wanted == file { return start - offset }
        return sizes[file..<wanted].reduce(start - offset) { $0 + min($1, Self.skipped * 2) }
    }
}
