// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

/// Cursor, scroll position and filter of one list. It holds no rows: they come and go.
struct ListState: Equatable, Sendable {
    var cursor = 0
    var offset = 0
    var filter = ""

    enum Move {
        case by(Int), halfPage(Int), page(Int), first, last
    }

    /// Moves within `count` rows of which `visible` are on the screen.
    mutating func move(_ move: Move, count: Int, visible: Int) {
        switch move {
        case .by(let delta): cursor += delta
        case .halfPage(let sign): cursor += sign * max(1, visible / 2)
        case .page(let sign): cursor += sign * max(1, visible - 1)
        case .first: cursor = 0
        case .last: cursor = count - 1
        }
        settle(count: count, visible: visible)
    }

    /// Brings cursor and scroll position back into what exists.
    mutating func settle(count: Int, visible: Int) {
        cursor = max(0, min(cursor, count - 1))
        if cursor < offset { offset = cursor }
        if cursor >= offset + visible { offset = cursor - visible + 1 }
        offset = max(0, min(offset, max(0, count - visible)))
    }
}
