// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

/// An expression as a non-deterministic automaton over classes of scalars that it cannot tell apart.
struct ExpressionProgram: Sendable {
    /// The most states of one expression.
    static let maximumStates = 2000

    enum Instruction: Sendable {
        /// Consumes one scalar of the set with this number.
        case consume(Int, next: Int)
        case split(Int, Int)
        case assertion(ExpressionAssertion, next: Int)
        case accept
    }

    private(set) var instructions: [Instruction] = [.accept]
    private(set) var start = 0
    private var sets: [ScalarSet] = []
    private var numbers: [ScalarSet: Int] = [:]
    /// The first scalar of each interval, sorted; interval `i` has class `intervalClasses[i]`.
    private var intervals: [UInt32] = []
    private var intervalClasses: [Int] = []
    private var asciiClasses: [Int] = []
    /// For each class, whether its scalars are word characters.
    private(set) var isWord: [Bool] = []
    /// For each set, the classes in it.
    private(set) var members: [[Bool]] = []

    var classCount: Int { isWord.count }

    /// Throws `too_large` when the expression needs more than ``maximumStates``.
    init(_ node: ExpressionNode) throws(DeployError) {
        guard node.cost < Self.maximumStates else {
            throw DeployError(
                .tooLarge,
                "the expression is too large: its counted repeats multiply to over "
                    + "\(Self.maximumStates) states", hint: "write + or * where the exact count does not matter")
        }
        start = emit(node, next: 0)
        partition()
    }

    /// The class of a scalar.
    func classOf(_ scalar: Unicode.Scalar) -> Int {
        let value = scalar.value
        if value < 128 { return asciiClasses[Int(value)] }
        return intervalClasses[interval(value)]
    }

    private func interval(_ value: UInt32) -> Int {
        var low = 0
        var high = intervals.count
        while low < high {
            let middle = (low + high) / 2
            if intervals[middle] <= value { low = middle + 1 } else { high = middle }
        }
        return low - 1
    }

    // MARK: Building

    private mutating func add(_ instruction: Instruction) -> Int {
        instructions.append(instruction)
        return instructions.count - 1
    }

    /// Adds what `node` needs before `next` and returns where it starts.
    private mutating func emit(_ node: ExpressionNode, next: Int) -> Int {
        switch node {
        case .empty: return next
        case .scalars(let set): return add(.consume(number(of: set), next: next))
        case .assertion(let assertion): return add(.assertion(assertion, next: next))
        case .sequence(let nodes): return nodes.reversed().reduce(next) { emit($1, next: $0) }
        case .choice(let nodes):
            var result = emit(nodes[nodes.count - 1], next: next)
            for node in nodes.dropLast().reversed() {
                let branch = emit(node, next: next)
                result = add(.split(branch, result))
            }
            return result
        case .repeated(let node, let minimum, let maximum):
            var result = next
            if let maximum {
                for _ in 0..<(maximum - minimum) {
                    let body = emit(node, next: result)
                    result = add(.split(body, next))
                }
            } else {
                result = add(.split(next, next))
                let body = emit(node, next: result)
                instructions[result] = .split(body, next)
            }
            for _ in 0..<minimum { result = emit(node, next: result) }
            return result
        }
    }

    private mutating func number(of set: ScalarSet) -> Int {
        if let known = numbers[set] { return known }
        sets.append(set)
        numbers[set] = sets.count - 1
        return sets.count - 1
    }

    /// Divides all scalars into classes whose members are in the same sets.
    private mutating func partition() {
        let all = sets + [.word]
        var firsts: Set<UInt32> = [0]
        for range in all.flatMap(\.ranges) {
            firsts.insert(range.lowerBound)
            firsts.insert(range.upperBound + 1)
        }
        intervals = firsts.sorted()
        var classes: [[Bool]: Int] = [:]
        for first in intervals {
            let signature = all.map { $0.contains(first) }
            let known = classes[signature] ?? classes.count
            classes[signature] = known
            intervalClasses.append(known)
        }
        members = Array(repeating: Array(repeating: false, count: classes.count), count: sets.count)
        isWord = Array(repeating: false, count: classes.count)
        for (signature, number) in classes {
            for set in sets.indices { members[set][number] = signature[set] }
            isWord[number] = signature[sets.count]
        }
        asciiClasses = (UInt32(0)..<128).map { intervalClasses[interval($0)] }
    }
}
