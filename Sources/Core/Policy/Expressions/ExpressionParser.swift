// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

/// Reads an expression; every mistake is named with its place and with what to write instead.
struct ExpressionParser {
    /// The deepest nesting of groups.
    static let depth = 32
    /// The largest number in `{m,n}`.
    static let repeats = 64

    private let scalars: [Unicode.Scalar]
    private var index = 0

    init(_ pattern: String) { scalars = Array(pattern.unicodeScalars) }

    /// The whole expression.
    mutating func parse() throws(DeployError) -> ExpressionNode {
        let node = try choice(depth: 0)
        if index < scalars.count { throw error("')' without '('", "write \\) for the character") }
        return node
    }

    // MARK: Structure

    private mutating func choice(depth: Int) throws(DeployError) -> ExpressionNode {
        var branches = [try sequence(depth: depth)]
        while take("|") { branches.append(try sequence(depth: depth)) }
        return branches.count == 1 ? branches[0] : .choice(branches)
    }

    private mutating func sequence(depth: Int) throws(DeployError) -> ExpressionNode {
        var nodes: [ExpressionNode] = []
        while let next = peek, next != "|", next != ")" {
            let start = index
            let node = try atom(depth: depth)
            nodes.append(try quantified(node, from: start))
        }
        return nodes.isEmpty ? .empty : nodes.count == 1 ? nodes[0] : .sequence(nodes)
    }

    private mutating func atom(depth: Int) throws(DeployError) -> ExpressionNode {
        let start = index
        guard let next = advance() else { return .empty }
        switch next {
        case "(": return try group(depth: depth + 1, start: start)
        case "[": return .scalars(try bracket(start: start))
        case ".": return .scalars(.any)
        case "^": return .assertion(.start)
        case "$": return .assertion(.end)
        case "\\": return try escape(start: start)
        case "*", "+", "?":
            throw error("'\(next)' has nothing to repeat", "write \\\(next) for the character", at: start)
        case "{":
            throw error("'{' has nothing to repeat", "write \\{ for the character", at: start)
        default: return .scalars(ScalarSet(next))
        }
    }

    private mutating func group(depth: Int, start: Int) throws(DeployError) -> ExpressionNode {
        guard depth <= Self.depth else {
            throw error("groups nest deeper than \(Self.depth) levels", "write several expressions", at: start)
        }
        if take("?") {
            guard take(":") else { throw special(start: start) }
        }
        let node = try choice(depth: depth)
        guard take(")") else { throw error("'(' is not closed", "add ')' or write \\( for the character", at: start) }
        return node
    }

    private func special(start: Int) -> DeployError {
        switch peek {
        case "=", "!":
            return error("look-ahead is not supported", "say in deny what must not match", at: start)
        case "<" where ["=", "!"].contains(scalar(index + 1)):
            return error("look-behind is not supported", "write the text before it into the expression", at: start)
        case "<", "P", "'": return error("named groups are not supported", "write (?:...)", at: start)
        case ">": return error("atomic groups are not supported, nor needed", "write (?:...)", at: start)
        case "i": return error("flags are not supported", "write both cases: [Aa]", at: start)
        default:
            return error("this kind of group is not supported", "write (?:...) or \\(\\? for characters", at: start)
        }
    }

    private mutating func quantified(_ node: ExpressionNode, from start: Int) throws(DeployError) -> ExpressionNode {
        let place = index
        guard let range = try count() else { return node }
        if case .assertion = node, scalar(start) != "(" {
            throw error("an anchor cannot be repeated", "write \\^ or \\$ for the characters", at: start)
        }
        switch peek {
        case "+": throw error("possessive repeats are not supported, nor needed", "leave the second '+' out", at: index)
        case "?": index += 1  // Lazy or not, the same texts match whole.
        default: break
        }
        if let again = peek, ["*", "+", "?", "{"].contains(again) {
            throw error("a repeat of a repeat", "put the first into a group: (?:...)\(again)", at: place)
        }
        return .repeated(node, minimum: range.minimum, maximum: range.maximum)
    }

    private mutating func count() throws(DeployError) -> (minimum: Int, maximum: Int?)? {
        if take("*") { return (0, nil) }
        if take("+") { return (1, nil) }
        if take("?") { return (0, 1) }
        let start = index
        guard take("{") else { return nil }
        guard let minimum = number() else { throw counted(start) }
        if take("}") { return (try checked(minimum, start), minimum) }
        guard take(",") else { throw counted(start) }
        if take("}") { return (try checked(minimum, start), nil) }
        guard let maximum = number(), take("}") else { throw counted(start) }
        guard minimum <= maximum else {
            throw error("the counts are in the wrong order", "write {m,n}, m <= n", at: start)
        }
        return (minimum, try checked(maximum, start))
    }

    private func counted(_ start: Int) -> DeployError {
        error("'{' does not start a count", "write {m}, {m,} or {m,n}, or \\{ for the character", at: start)
    }

    private func checked(_ count: Int, _ start: Int) throws(DeployError) -> Int {
        guard count <= Self.repeats else {
            throw error(
                "a count is over \(Self.repeats)", "write + or * where the exact count does not matter", at: start)
        }
        return count
    }

    private mutating func number() -> Int? {
        var value: Int?
        while let next = peek, (0x30...0x39).contains(next.value) {
            value = min((value ?? 0) * 10 + Int(next.value - 0x30), 1_000_000)
            index += 1
        }
        return value
    }

    // MARK: Escapes

    private mutating func escape(start: Int) throws(DeployError) -> ExpressionNode {
        switch peek {
        case "b":
            index += 1
            return .assertion(.boundary)
        case "B":
            index += 1
            return .assertion(.noBoundary)
        case "A": throw error("\\A is not supported, nor needed", "write ^", at: start)
        case "z", "Z": throw error("\\z and \\Z are not supported, nor needed", "write $", at: start)
        default: break
        }
        if let set = classEscape() { return .scalars(set) }
        return .scalars(ScalarSet(try character(start: start)))
    }

    private mutating func classEscape() -> ScalarSet? {
        let set: ScalarSet
        switch peek {
        case "d": set = .digits
        case "D": set = ScalarSet.digits.union(.lineBreaks).complement
        case "w": set = .word
        case "W": set = ScalarSet.word.union(.lineBreaks).complement
        case "s": set = .blanks
        case "S": set = ScalarSet.blanks.union(.lineBreaks).complement
        default: return nil
        }
        index += 1
        return set
    }

    private mutating func character(start: Int) throws(DeployError) -> Unicode.Scalar {
        guard let next = advance() else {
            throw error("the expression ends with a backslash", "write \\\\ for the character", at: start)
        }
        switch next {
        case "n": return "\n"
        case "t": return "\t"
        case "r": return "\r"
        case "x": return try hexadecimal(start: start)
        case "1"..."9", "k", "g":
            throw error("back-references are not supported", "write the text again", at: start)
        case "p", "P":
            throw error("Unicode properties are not supported", "list the characters: [a-z...]", at: start)
        case "Q", "E":
            throw error("\\Q...\\E is not supported", "write a backslash before each special character", at: start)
        default:
            guard !(next.properties.isAlphabetic || ScalarSet.digits.contains(next.value)) else {
                throw error("\\\(next) has no meaning", "leave the backslash out for the character", at: start)
            }
            return next
        }
    }

    private mutating func hexadecimal(start: Int) throws(DeployError) -> Unicode.Scalar {
        var digits = ""
        if take("{") {
            while let next = peek, next.properties.isASCIIHexDigit {
                digits.unicodeScalars.append(next)
                index += 1
            }
            guard take("}"), (1...6).contains(digits.count) else { throw badHexadecimal(start) }
        } else {
            while digits.count < 2, let next = peek, next.properties.isASCIIHexDigit {
                digits.unicodeScalars.append(next)
                index += 1
            }
            guard digits.count == 2 else { throw badHexadecimal(start) }
        }
        guard let value = UInt32(digits, radix: 16), let result = Unicode.Scalar(value) else {
            throw badHexadecimal(start)
        }
        return result
    }

    private func badHexadecimal(_ start: Int) -> DeployError {
        error("\\x names no character", "write \\x7E or \\x{4F60}", at: start)
    }

    // MARK: Sets

    private mutating func bracket(start: Int) throws(DeployError) -> ScalarSet {
        let negated = take("^")
        var single: [ClosedRange<UInt32>] = []
        var wide = ScalarSet([])
        var first = true
        while true {
            let place = index
            guard let next = advance() else {
                throw error("'[' is not closed", "add ']' or write \\[ for the character", at: start)
            }
            if next == "]", !first { break }
            first = false
            if next == "[", let mark = peek, [":", ".", "="].contains(mark) {
                wide = wide.union(try namedClass(start: place))
                continue
            }
            if next == "\\", let set = classEscape() {
                wide = wide.union(set)
                continue
            }
            let low = next == "\\" ? try member(start: place) : next
            guard peek == "-", let after = scalar(index + 1), after != "]" else {
                single.append(low.value...low.value)
                continue
            }
            index += 1
            let upperPlace = index
            guard let upper = advance() else { continue }
            if upper == "\\", classEscape() != nil {
                throw error("a range cannot end in a class", "write \\- for the character", at: upperPlace)
            }
            if upper == "[", peek == ":" {
                throw error("a range cannot end in a class", "write \\- for the character", at: upperPlace)
            }
            let high = upper == "\\" ? try member(start: upperPlace) : upper
            guard low.value <= high.value else {
                throw error("the range is in the wrong order", "write the smaller character first", at: place)
            }
            wide = wide.union(ScalarSet([low.value...high.value]))
        }
        // A range or a negation never takes a line break in by the way: only one that is written is meant.
        let written = ScalarSet(single)
        if negated { return wide.union(written).union(.lineBreaks).complement }
        return wide.subtracting(.lineBreaks).union(written)
    }

    /// An escaped character inside brackets.
    private mutating func member(start: Int) throws(DeployError) -> Unicode.Scalar {
        if let next = peek, next == "b" || next == "B" {
            throw error("\\\(next) has no meaning inside [ ]", "write it outside", at: start)
        }
        return try character(start: start)
    }

    private mutating func namedClass(start: Int) throws(DeployError) -> ScalarSet {
        var name = ""
        guard take(":") else {
            throw error("collating elements are not supported", "write \\[ for the character", at: start)
        }
        while let next = peek, next != ":", next != "]" {
            name.unicodeScalars.append(next)
            index += 1
        }
        guard take(":"), take("]"), let set = ScalarSet.named[name] else {
            let known = ScalarSet.named.keys.sorted().joined(separator: ", ")
            throw error("no such class", "write [:name:] with one of \(known)", at: start)
        }
        return set
    }

    // MARK: Reading

    private var peek: Unicode.Scalar? { scalar(index) }

    private func scalar(_ index: Int) -> Unicode.Scalar? { scalars.indices.contains(index) ? scalars[index] : nil }

    private mutating func advance() -> Unicode.Scalar? {
        guard let next = peek else { return nil }
        index += 1
        return next
    }

    private mutating func take(_ expected: Unicode.Scalar) -> Bool {
        guard peek == expected else { return false }
        index += 1
        return true
    }

    private func error(_ what: String, _ instead: String, at place: Int? = nil) -> DeployError {
        DeployError(
            .invalidArgument, "character \((place ?? index) + 1) of the expression: \(what)", hint: instead)
    }
}
