// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

/// What an expression says, as a tree.
indirect enum ExpressionNode: Hashable, Sendable {
    case empty
    case scalars(ScalarSet)
    case assertion(ExpressionAssertion)
    case sequence([ExpressionNode])
    case choice([ExpressionNode])
    /// `maximum` nil: without end.
    case repeated(ExpressionNode, minimum: Int, maximum: Int?)

    /// How many states it compiles to, an empty part counted as one; stops growing far above every limit.
    var cost: Int {
        switch self {
        case .empty, .scalars, .assertion: return 1
        case .sequence(let nodes): return nodes.reduce(0) { Self.bounded($0 + $1.cost) }
        case .choice(let nodes): return nodes.reduce(nodes.count - 1) { Self.bounded($0 + $1.cost) }
        case .repeated(let node, let minimum, let maximum):
            let cost = node.cost
            let optional = maximum.map { ($0 - minimum) * (cost + 1) } ?? (cost + 1)
            return Self.bounded(minimum * cost + optional)
        }
    }

    private static func bounded(_ cost: Int) -> Int { min(cost, 1 << 30) }
}

/// Conditions on a position that consume nothing.
enum ExpressionAssertion: Hashable, Sendable {
    case start
    case end
    case boundary
    case noBoundary
}
