// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import NIOCore
import NIOHTTP1
import NIOWebSocket

/// The client's side of an HTTP upgrade to a WebSocket.
public enum WebSocketUpgrade {
    /// Sends the request and prepares a channel for either answer; to be called on its event loop.
    ///
    /// - Parameters:
    ///   - channel: A connection on which nothing was sent.
    ///   - head: The request.
    ///   - maximumFrame: The largest frame that is taken, in bytes.
    ///   - opened: Makes the outcome of a channel that is a WebSocket now, from it and the answer.
    ///   - refused: Makes the outcome of a channel on which another answer is about to be read.
    public static func configure<Outcome: Sendable>(
        _ channel: any Channel, _ head: HTTPRequestHead, maximumFrame: Int,
        opened: @escaping @Sendable (any Channel, HTTPResponseHead) throws -> Outcome,
        refused: @escaping @Sendable (any Channel) throws -> Outcome
    ) throws -> EventLoopFuture<Outcome> {
        let upgrader = NIOTypedWebSocketClientUpgrader<Outcome>(maxFrameSize: maximumFrame) { channel, head in
            channel.eventLoop.makeCompletedFuture { try opened(channel, head) }
        }
        let configuration = NIOTypedHTTPClientUpgradeConfiguration<Outcome>(
            upgradeRequestHead: head, upgraders: [upgrader]
        ) { channel in
            channel.eventLoop.makeCompletedFuture { try refused(channel) }
        }
        var pipeline = NIOUpgradableHTTPClientPipelineConfiguration(upgradeConfiguration: configuration)
        // The first frames may come in one piece with the response.
        pipeline.leftOverBytesStrategy = .forwardBytes
        return try channel.pipeline.syncOperations.configureUpgradableHTTPClientPipeline(configuration: pipeline)
    }
}
