// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

/// Says when the next frame may be drawn. Times are milliseconds of a clock that only goes forward.
///
/// 30 frames per second, 15 over SSH; a terminal that takes long to swallow a frame gets fewer, down to 4, and gets the
/// pace back step by step.
struct FrameClock {
    static let slowest: Int64 = 250
    /// A frame that blocks longer than this was too much for the terminal.
    static let slowWrite: Int64 = 20

    private let base: Int64
    private(set) var interval: Int64
    private var nextFrame: Int64 = 0
    private var recoverAt: Int64 = 0

    init(overNetwork: Bool) {
        base = overNetwork ? 66 : 33
        interval = base
    }

    /// Milliseconds until a frame may be drawn; 0 when it may be now.
    func wait(_ now: Int64) -> Int64 { max(0, nextFrame - now) }

    /// A frame was drawn: begun at `began`, done at `now`; `pending` when the terminal has not taken everything.
    mutating func drew(began: Int64, now: Int64, pending: Bool) {
        if now - began > Self.slowWrite || pending {
            interval = min(Self.slowest, interval * 2)
            recoverAt = now + 1000
        } else if interval > base, now >= recoverAt {
            interval = max(base, interval * 2 / 3)
            recoverAt = now + 1000
        }
        nextFrame = began + interval
    }
}
