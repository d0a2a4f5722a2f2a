// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

/// A user's regular expression, matched in time linear in the text whatever it says.
///
/// It always means the whole text, as if written `^(?:...)$`; case counts; nothing matches a line break unless the
/// expression names it. See EXPRESSIONS in tiangong-policy(5).
public struct GuardExpression: Sendable, Hashable, CustomStringConvertible {
    /// The expression as it was written.
    public let pattern: String
    private let program: ExpressionProgram

    /// The longest expression, in bytes.
    public static let maximumBytes = 512

    /// Compiles an expression.
    ///
    /// Throws `invalid_argument` or `too_large`, naming the place and, in the hint, what to write instead.
    public init(_ pattern: String) throws(DeployError) {
        guard !pattern.isEmpty else {
            throw DeployError(
                .invalidArgument, "the expression is empty", hint: "leave it out, or write what it allows")
        }
        guard pattern.utf8.count <= Self.maximumBytes else {
            throw DeployError(
                .tooLarge, "the expression is over \(Self.maximumBytes) bytes", hint: "write several expressions")
        }
        var parser = ExpressionParser(pattern)
        program = try ExpressionProgram(parser.parse())
        self.pattern = pattern
    }

    /// Whether the expression matches the whole text.
    public func matchesWhole(_ text: String) -> Bool { match(text).accepted }

    /// The same for a long text: `isCanceled` is asked from time to time, and once it is true the answer is false.
    func matchesWhole(_ text: String, unless isCanceled: () -> Bool) -> Bool {
        var matcher = ExpressionMatcher(program)
        return matcher.accepts(text, unless: isCanceled)
    }

    /// The same, with the number of elementary steps it took.
    func match(_ text: String) -> (accepted: Bool, steps: Int) {
        var matcher = ExpressionMatcher(program)
        let accepted = matcher.accepts(text)
        return (accepted, matcher.steps)
    }

    /// States of the compiled program.
    var stateCount: Int { program.instructions.count }

    /// The expression as it was written.
    public var description: String { pattern }

    /// Expressions are the same when they are written the same.
    public static func == (left: GuardExpression, right: GuardExpression) -> Bool {
        left.pattern.utf8.elementsEqual(right.pattern.utf8)
    }

    /// Hashes what is written.
    public func hash(into hasher: inout Hasher) {
        for byte in pattern.utf8 { hasher.combine(byte) }
    }
}
