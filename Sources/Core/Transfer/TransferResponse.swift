// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

public import NIOCore
import NIOHTTP1

/// The answer to a request: its head is here, its body arrives as it is taken.
///
/// A body that is not taken to its end closes the connection when the response goes.
public final class TransferResponse: Sendable {
    /// The status, such as 200 or 206.
    public let status: Int
    private let head: HTTPResponseHead
    private let exchange: TransferExchange

    init(_ head: HTTPResponseHead, _ exchange: TransferExchange) {
        status = Int(head.status.code)
        self.head = head
        self.exchange = exchange
    }

    deinit { exchange.cancel() }

    /// The value of a header, if there is one.
    public func header(_ name: String) -> String? { head.headers.first(name: name) }

    /// Bytes of the body, if the server says so.
    public var length: Int64? { header("Content-Length").flatMap { Int64($0) } }

    /// The next part of the body, as large as it happened to arrive; nil at its end.
    ///
    /// Only one task may wait at a time. Throws `unreachable` when the body was cut, after all that arrived before was
    /// given out, and `canceled` after ``cancel()`` or when the task is cancelled while it waits.
    public func next() async throws(DeployError) -> ByteBuffer? { try await exchange.next() }

    /// The whole body; throws `too_large` when it is over `limit` bytes.
    public func collect(atMost limit: Int) async throws(DeployError) -> ByteBuffer {
        var body = ByteBuffer()
        while var part = try await next() {
            guard body.readableBytes + part.readableBytes <= limit else {
                cancel()
                throw DeployError(.tooLarge, "the server's answer is over \(limit) bytes")
            }
            if body.readableBytes == 0 { body = part } else { body.writeBuffer(&part) }
        }
        return body
    }

    /// Gives the rest up; the connection is closed.
    public func cancel() { exchange.cancel() }
}
