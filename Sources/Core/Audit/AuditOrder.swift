// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

/// Works out from the numbers of records, in the order in which they are stored, which are missing, which were moved, and
/// where something stands that is no record.
///
/// Keeps runs of consecutive numbers, not numbers: a chain in order is one run.
struct AuditOrder: Sendable {
    /// What was found.
    struct Result: Sendable {
        /// Numbers at which something unreadable stands.
        var unreadable: [Int64] = []
        /// Numbers that are not in their place.
        var reordered: Set<Int64> = []
        /// Numbers that stand there more than once.
        var repeated: Set<Int64> = []
        /// Numbers that are nowhere.
        var missing: [ClosedRange<Int64>] = []
        /// The highest number; nil when there is none.
        var highest: Int64?
    }

    private struct Run {
        var first: Int64
        var last: Int64
        /// Records before it in the file.
        var place: Int64
        var count: Int64 { last - first + 1 }
    }

    private var runs: [Run] = []
    private var unreadableAfter: [Int64] = []
    private var isCut = false
    private var place: Int64 = 0

    /// The next record's number.
    mutating func take(_ seq: Int64) {
        defer { place += 1 }
        if !isCut, let last = runs.last, last.last + 1 == seq {
            runs[runs.count - 1].last = seq
        } else {
            runs.append(Run(first: seq, last: seq, place: place))
        }
        isCut = false
    }

    /// Something that is no record.
    mutating func unreadable() {
        unreadableAfter.append(runs.last?.last ?? 0)
        isCut = true
    }

    /// The findings.
    ///
    /// - Parameter fromFirst: Whether the chain must begin with 1.
    func result(fromFirst: Bool) -> Result {
        var result = Result()
        let sorted = runs.sorted { ($0.first, $0.place) < ($1.first, $1.place) }
        var rank: Int64 = 0
        var reached = fromFirst ? 0 : (sorted.first?.first ?? 1) - 1
        var inPlace: Set<Int64> = []  // by place, which is unique
        var gaps: [ClosedRange<Int64>] = []
        for run in sorted {
            if run.first <= reached { result.repeated.formUnion(run.first...min(run.last, reached)) }
            if run.first > reached + 1 { gaps.append(reached + 1...run.first - 1) }
            if rank == run.place { inPlace.insert(run.place) }
            rank += run.count
            reached = max(reached, run.last)
        }
        result.highest = runs.isEmpty ? nil : reached
        moved(inPlace, &result)
        explain(gaps, &result)
        return result
    }

    /// What is left out of the heaviest rising sequence of runs is what was moved.
    private func moved(_ inPlace: Set<Int64>, _ result: inout Result) {
        guard runs.count > 1 else { return }
        let kept = Self.heaviestRising(
            runs.map { (key: $0.first, weight: 2 * $0.count + (inPlace.contains($0.place) ? 1 : 0)) })
        for (index, run) in runs.enumerated() where !kept.contains(index) {
            result.reordered.formUnion(run.first...run.last)
            // Two neighbours that changed places: neither is more out of place than the other.
            for other in [index - 1, index + 1] where runs.indices.contains(other) && kept.contains(other) {
                let neighbour = runs[other]
                let isExchanged =
                    other < index ? neighbour.first == run.last + 1 : neighbour.last + 1 == run.first
                if isExchanged, neighbour.count == run.count, !inPlace.contains(neighbour.place) {
                    result.reordered.formUnion(neighbour.first...neighbour.last)
                }
            }
        }
        result.reordered.subtract(result.repeated)
    }

    /// Gives each unreadable thing the number it stands for, and tells what is missing besides.
    private func explain(_ gaps: [ClosedRange<Int64>], _ result: inout Result) {
        var stands: Set<Int64> = []
        for after in unreadableAfter {
            var seq = after + 1
            while stands.contains(seq) { seq += 1 }
            stands.insert(seq)
            result.unreadable.append(seq)
        }
        for gap in gaps {
            var start = gap.lowerBound
            for seq in stands.filter(gap.contains).sorted() {
                if seq > start { result.missing.append(start...seq - 1) }
                start = seq + 1
            }
            if start <= gap.upperBound { result.missing.append(start...gap.upperBound) }
        }
    }

    /// The indices of a rising sequence of the greatest weight, in time n log n.
    private static func heaviestRising(_ items: [(key: Int64, weight: Int64)]) -> Set<Int> {
        let keys = Set(items.map(\.key)).sorted()
        let positions = Dictionary(uniqueKeysWithValues: zip(keys, keys.indices))
        // A tree of prefix maxima: the heaviest sequence that ends at or below a key.
        var tree = [(weight: Int64, item: Int?)](repeating: (0, nil), count: keys.count + 1)
        var before = [Int?](repeating: nil, count: items.count)
        for (index, item) in items.enumerated() {
            let position = positions[item.key] ?? 0
            var best: (weight: Int64, item: Int?) = (0, nil)
            var node = position
            while node > 0 {
                if tree[node].weight > best.weight { best = tree[node] }
                node -= node & -node
            }
            before[index] = best.item
            let total = best.weight + item.weight
            node = position + 1
            while node <= keys.count {
                if total > tree[node].weight { tree[node] = (total, index) }
                node += node & -node
            }
        }
        var best: (weight: Int64, item: Int?) = (0, nil)
        var node = keys.count
        while node > 0 {
            if tree[node].weight > best.weight { best = tree[node] }
            node -= node & -node
        }
        var kept: Set<Int> = []
        var next = best.item
        while let index = next {
            kept.insert(index)
            next = before[index]
        }
        return kept
    }
}
