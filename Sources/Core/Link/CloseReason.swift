// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

/// Why a link ended: a WebSocket close code and a word for logs and metrics.
public struct CloseReason: Sendable, Hashable, CustomStringConvertible {
    /// The RFC 6455 close code.
    public var code: UInt16
    /// A short reason, at most 123 bytes on the wire.
    public var reason: String

    /// A reason.
    public init(code: UInt16, reason: String) {
        self.code = code
        self.reason = reason
    }

    /// Done.
    public static let normal = CloseReason(code: 1000, reason: "done")
    /// This end is shutting down.
    public static let goingAway = CloseReason(code: 1001, reason: "shutting down")
    /// A newer link of the same agent took over.
    public static let replaced = CloseReason(code: 1008, reason: "replaced by a newer link")
    /// Nothing was heard for too long.
    public static let idle = CloseReason(code: 1001, reason: "idle")
    /// The peer does not read fast enough; come again and resume.
    public static let slowConsumer = CloseReason(code: 1013, reason: "slow consumer, resume from the last seq")
    /// The connection broke without a close frame.
    public static let lost = CloseReason(code: 1006, reason: "connection lost")

    /// The peer broke RFC 6455 or our protocol.
    public static func protocolError(_ reason: String) -> CloseReason { CloseReason(code: 1002, reason: reason) }
    /// The peer may not do this, or does it too often.
    public static func policy(_ reason: String) -> CloseReason { CloseReason(code: 1008, reason: reason) }

    /// `1000 done`.
    public var description: String { "\(code) \(reason)" }
}
