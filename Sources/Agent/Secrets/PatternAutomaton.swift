// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import DequeModule

/// Finds any of many byte patterns in a stream, one step per byte however they overlap (Aho and Corasick, 1975).
struct PatternAutomaton: Sendable {
    /// What was read so far of any pattern; 0 is nothing.
    typealias State = Int32

    private var start = [State](repeating: 0, count: 256)
    private var firstChild: [State] = [0]
    private var sibling: [State] = [0]
    private var byte: [UInt8] = [0]
    private var failure: [State] = [0]
    private var depths: [Int32] = [0]
    private var matches: [Int32] = [0]

    /// - Parameter patterns: Empty ones are left out.
    init(_ patterns: [[UInt8]]) {
        for pattern in patterns where !pattern.isEmpty { insert(pattern) }
        link()
    }

    /// Whether a pattern begins with this byte.
    func begins(_ byte: UInt8) -> Bool { start[Int(byte)] != 0 }

    /// Where a byte leads from a state.
    func next(_ state: State, _ byte: UInt8) -> State {
        var state = state
        while state != 0 {
            let child = child(of: state, byte)
            if child != 0 { return child }
            state = failure[Int(state)]
        }
        return start[Int(byte)]
    }

    /// How many of the last bytes are the beginning of a pattern.
    func depth(_ state: State) -> Int { Int(depths[Int(state)]) }

    /// The length of the longest pattern that ends here; 0 for none.
    func match(_ state: State) -> Int { Int(matches[Int(state)]) }

    private func child(of state: State, _ wanted: UInt8) -> State {
        var child = firstChild[Int(state)]
        while child != 0, byte[Int(child)] != wanted { child = sibling[Int(child)] }
        return child
    }

    private mutating func insert(_ pattern: [UInt8]) {
        var state: State = 0
        for value in pattern {
            let known = state == 0 ? start[Int(value)] : child(of: state, value)
            if known != 0 {
                state = known
                continue
            }
            let new = State(depths.count)
            sibling.append(state == 0 ? 0 : firstChild[Int(state)])
            if state == 0 { start[Int(value)] = new } else { firstChild[Int(state)] = new }
            firstChild.append(0)
            byte.append(value)
            failure.append(0)
            depths.append(depths[Int(state)] + 1)
            matches.append(0)
            state = new
        }
        matches[Int(state)] = depths[Int(state)]
    }

    private mutating func link() {
        var queue = Deque(start.filter { $0 != 0 })
        while let state = queue.popFirst() {
            var child = firstChild[Int(state)]
            while child != 0 {
                failure[Int(child)] = next(failure[Int(state)], byte[Int(child)])
                if matches[Int(child)] == 0 { matches[Int(child)] = matches[Int(failure[Int(child)])] }
                queue.append(child)
                child = sibling[Int(child)]
            }
        }
    }
}
