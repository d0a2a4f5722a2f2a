// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// So many bytes a second, shared by all who send. Whoever comes too early waits; nobody is refused.
public final class RateLimiter: Sendable {
    private let bytesPerSecond: Double?
    private let nextFree: Mutex<ContinuousClock.Instant>

    /// How much may be sent at once after a pause, in seconds' worth.
    private static let burst: Duration = .milliseconds(250)

    /// - Parameter bytesPerSecond: Nil for no limit.
    public init(bytesPerSecond: Int64?) {
        self.bytesPerSecond = bytesPerSecond.map { Double(max($0, 1)) }
        nextFree = Mutex(.now - Self.burst)
    }

    /// Waits until so many bytes may be sent; returns early when the task is cancelled.
    public func spend(_ bytes: Int) async {
        guard let wait = reserve(bytes, now: .now) else { return }
        try? await Task.sleep(for: wait)
    }

    /// How many of so many bytes are worth a place in the line: few enough that nobody waits long for the others, and that
    /// who waits for bytes gets some before it loses patience.
    public func piece(of bytes: Int) -> Int {
        guard let bytesPerSecond else { return bytes }
        return min(bytes, max(4096, Int(min(bytesPerSecond / 32, 1e9))))
    }

    /// Takes a place in the line; how long to wait for it, nil for not at all.
    func reserve(_ bytes: Int, now: ContinuousClock.Instant) -> Duration? {
        guard let bytesPerSecond else { return nil }
        return nextFree.withLock { nextFree in
            nextFree = max(nextFree, now - Self.burst) + .seconds(Double(bytes) / bytesPerSecond)
            return nextFree > now ? nextFree - now : nil
        }
    }
}
