// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

/// Runs a program over one text: a deterministic automaton that is built while it is used, and forgotten afterwards.
///
/// The work is at most the length of the text times the size of the program, whatever the expression; most scalars cost
/// one look into a table.
struct ExpressionMatcher {
    /// The most entries of the table before it is started anew.
    static let tableEntries = 1 << 16

    /// Which instructions are waiting, and what the scalar before was.
    private struct State: Hashable {
        var waiting: [Int]
        var afterWord: Bool
        var atStart: Bool
    }

    private let program: ExpressionProgram
    private var states: [State] = []
    private var numbers: [State: Int] = [:]
    /// `states.count * classCount` numbers of next states; -1 where not computed yet.
    private var table: [Int] = []
    private var visited: [Int]
    private var round = 0
    /// Elementary steps so far: scalars read and instructions visited.
    private(set) var steps = 0

    init(_ program: ExpressionProgram) {
        self.program = program
        visited = Array(repeating: 0, count: program.instructions.count)
    }

    /// After so many elementary steps somebody may say that it is enough.
    private static let patience = 1 << 16

    /// Whether the program accepts the whole text; false once `isCanceled` says so.
    mutating func accepts(_ text: String, unless isCanceled: () -> Bool = { false }) -> Bool {
        var asked = 0
        let width = program.classCount
        var current = number(of: State(waiting: [program.start], afterWord: false, atStart: true))
        for scalar in text.unicodeScalars {
            steps += 1
            let kind = program.classOf(scalar)
            let known = table[current * width + kind]
            current = known >= 0 ? known : advance(current, kind)
            if states[current].waiting.isEmpty { return false }
            if steps - asked >= Self.patience {
                asked = steps
                if isCanceled() { return false }
            }
        }
        return closure(states[current], next: nil).accepted
    }

    private mutating func advance(_ current: Int, _ kind: Int) -> Int {
        let reached = closure(states[current], next: kind).consuming
        var waiting: [Int] = []
        round += 1
        for instruction in reached {
            guard case .consume(let set, let next) = program.instructions[instruction],
                program.members[set][kind], visited[next] != round
            else { continue }
            visited[next] = round
            waiting.append(next)
        }
        let full = table.count + program.classCount > Self.tableEntries
        if full {
            states.removeAll(keepingCapacity: true)
            numbers.removeAll(keepingCapacity: true)
            table.removeAll(keepingCapacity: true)
        }
        let next = number(of: State(waiting: waiting.sorted(), afterWord: program.isWord[kind], atStart: false))
        if !full { table[current * program.classCount + kind] = next }
        return next
    }

    private mutating func number(of state: State) -> Int {
        if let known = numbers[state] { return known }
        states.append(state)
        numbers[state] = states.count - 1
        table.append(contentsOf: repeatElement(-1, count: program.classCount))
        return states.count - 1
    }

    /// What can be reached without consuming, before a scalar of class `next` or, if nil, at the end of the text.
    private mutating func closure(_ state: State, next: Int?) -> (consuming: [Int], accepted: Bool) {
        let beforeWord = next.map { program.isWord[$0] } ?? false
        var consuming: [Int] = []
        var accepted = false
        var open = state.waiting
        round += 1
        while let instruction = open.popLast() {
            guard visited[instruction] != round else { continue }
            visited[instruction] = round
            steps += 1
            switch program.instructions[instruction] {
            case .accept: accepted = next == nil
            case .consume: consuming.append(instruction)
            case .split(let first, let second):
                open.append(first)
                open.append(second)
            case .assertion(let assertion, let after):
                let holds =
                    switch assertion {
                    case .start: state.atStart
                    case .end: next == nil
                    case .boundary: state.afterWord != beforeWord
                    case .noBoundary: state.afterWord == beforeWord
                    }
                if holds { open.append(after) }
            }
        }
        return (consuming, accepted)
    }
}
