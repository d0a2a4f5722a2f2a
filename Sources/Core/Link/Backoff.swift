// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

/// Full-jitter exponential back-off: each wait is random between zero and a ceiling that doubles up to a cap.
public struct Backoff: Sendable {
    private let base: Duration
    private let cap: Duration
    private var ceiling: Duration

    /// - Parameters:
    ///   - base: The first ceiling.
    ///   - cap: The largest ceiling.
    public init(base: Duration = .seconds(1), cap: Duration = .seconds(60)) {
        self.base = base
        self.cap = cap
        ceiling = base
    }

    /// How long to wait before the next try; at least a tenth of the ceiling, so that a refusal is never hammered.
    public mutating func next() -> Duration {
        let wait = ceiling * Double.random(in: 0.1...1)
        ceiling = min(ceiling * 2, cap)
        return wait
    }

    /// Starts again from the base, after a success.
    public mutating func reset() { ceiling = base }
}
