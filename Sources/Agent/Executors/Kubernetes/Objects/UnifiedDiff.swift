// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

/// The lines in which two texts differ, as `diff -u` writes them.
enum UnifiedDiff {
    /// Lines shown around a change.
    private static let context = 3

    private enum Line {
        case same(Substring), removed(Substring), added(Substring)
    }

    /// Empty when the texts are the same.
    ///
    /// - Parameters:
    ///   - old: The text before.
    ///   - new: The text after.
    ///   - names: What the two are called.
    static func text(_ old: String, _ new: String, names: (old: String, new: String)) -> String {
        guard old != new else { return "" }
        let lines = lines(split(old), split(new))
        var result = "--- \(names.old)\n+++ \(names.new)\n"
        for range in hunks(lines) { write(lines, range, into: &result) }
        return result
    }

    private static func split(_ text: String) -> [Substring] {
        var lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        if lines.last?.isEmpty == true { lines.removeLast() }
        return lines
    }

    /// Every line of both, in the order of a shortest way from one to the other; long stretches that differ are replaced whole.
    private static func lines(_ old: [Substring], _ new: [Substring]) -> [Line] {
        var start = 0
        while start < min(old.count, new.count), old[start] == new[start] { start += 1 }
        var end = 0
        while end < min(old.count, new.count) - start, old[old.count - 1 - end] == new[new.count - 1 - end] { end += 1 }
        let (left, right) = (Array(old[start..<(old.count - end)]), Array(new[start..<(new.count - end)]))
        let middle =
            left.count + right.count > most
            ? left.map { .removed($0) } + right.map { .added($0) } : shortest(left, right)
        return old[..<start].map { .same($0) } + middle + old[(old.count - end)...].map { .same($0) }
    }

    /// The way is searched in time that grows with the square of the lines.
    private static let most = 6000

    private static func shortest(_ old: [Substring], _ new: [Substring]) -> [Line] {
        let difference = new.difference(from: old)
        var removed: Set<Int> = []
        var added: Set<Int> = []
        for change in difference {
            switch change {
            case .remove(let offset, _, _): removed.insert(offset)
            case .insert(let offset, _, _): added.insert(offset)
            }
        }
        var result: [Line] = []
        var (left, right) = (0, 0)
        while left < old.count || right < new.count {
            if left < old.count, removed.contains(left) {
                result.append(.removed(old[left]))
                left += 1
            } else if right < new.count, added.contains(right) {
                result.append(.added(new[right]))
                right += 1
            } else if left < old.count {
                result.append(.same(old[left]))
                left += 1
                right += 1
            } else {
                break
            }
        }
        return result
    }

    /// The ranges of lines that are shown: changes with their surroundings.
    private static func hunks(_ lines: [Line]) -> [Range<Int>] {
        var result: [Range<Int>] = []
        for (index, line) in lines.enumerated() {
            if case .same = line { continue }
            let range = max(0, index - context)..<min(lines.count, index + context + 1)
            if let last = result.last, last.upperBound >= range.lowerBound {
                result[result.count - 1] = last.lowerBound..<range.upperBound
            } else {
                result.append(range)
            }
        }
        return result
    }

    private static func write(_ lines: [Line], _ range: Range<Int>, into result: inout String) {
        var before = (old: 0, new: 0)
        for line in lines[..<range.lowerBound] { count(line, &before) }
        var within = (old: 0, new: 0)
        for line in lines[range] { count(line, &within) }
        func place(_ start: Int, _ length: Int) -> String {
            let first = length == 0 ? start : start + 1
            return length == 1 ? "\(first)" : "\(first),\(length)"
        }
        result += "@@ -\(place(before.old, within.old)) +\(place(before.new, within.new)) @@\n"
        for line in lines[range] {
            switch line {
            case .same(let text): result += " \(text)\n"
            case .removed(let text): result += "-\(text)\n"
            case .added(let text): result += "+\(text)\n"
            }
        }
    }

    private static func count(_ line: Line, _ total: inout (old: Int, new: Int)) {
        switch line {
        case .same:
            total.old += 1
            total.new += 1
        case .removed: total.old += 1
        case .added: total.new += 1
        }
    }
}
