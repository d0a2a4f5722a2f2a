// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// One source of lines in a log: a task on an agent.
struct LogLane: Equatable, Sendable {
    var task: TaskID
    var name: String
}

/// One line: raw bytes without the line end, exactly as they came.
struct LogLine: Equatable, Sendable {
    enum Kind: UInt8, Sendable {
        case stdout, stderr, system
        /// Our own words between the lines: a gap, the end of the task.
        case notice
    }

    var bytes: ArraySlice<UInt8>
    var lane: Int
    var kind: Kind
    /// Milliseconds since 1970, by the agent's clock.
    var at: Int64
    /// The line has no end yet: more may come.
    var isPartial = false
}

/// A log as bytes: a ring of slabs of 1 MiB and an index of lines. When it is full whole slabs are dropped from the old
/// end, and counted. Lines are numbered from 0 and keep their number for ever.
///
/// A reference on purpose: it is large, it has one owner (the thread that draws), and no copy of it may come to be.
final class LogBuffer {
    static let slabSize = 1 << 20
    /// A longer line is cut into several; the cut shows as a line end.
    static let lineLimit = 64 << 10
    static let laneLimit = 256

    private struct Entry {
        var offset: UInt32
        var length: UInt32
        var lane: UInt16
        var kind: LogLine.Kind
        var at: Int64
    }

    private struct Slab {
        var bytes: [UInt8] = []
        var entries: [Entry] = []
        var firstLine: Int
    }

    private struct Tail {
        var lane: Int
        var kind: LogLine.Kind
        var at: Int64
        var bytes: [UInt8]
    }

    private let slabLimit: Int
    private var slabs: [Slab]
    private var tails: [Tail] = []
    private(set) var lanes: [LogLane] = []
    /// Bytes received since the start, kept or not.
    private(set) var received = 0
    /// Lines dropped from the old end because the ring was full.
    private(set) var dropped = 0

    /// - Parameter capacity: Bytes of text kept; at least two slabs.
    init(capacity: Int = 64 << 20) {
        slabLimit = max(2, capacity / Self.slabSize)
        slabs = [Slab(firstLine: 0)]
    }

    /// The number of the oldest line kept.
    var firstLine: Int { slabs[0].firstLine }
    /// The number after the last complete line.
    var endOfComplete: Int { slabs[slabs.count - 1].firstLine + slabs[slabs.count - 1].entries.count }
    /// The number after the last line, unfinished ones included.
    var endLine: Int { endOfComplete + tails.count }
    /// Bytes kept.
    var kept: Int { slabs.reduce(0) { $0 + $1.bytes.count } }

    /// The lane of a task, made when new; nil when there are too many.
    func lane(for task: TaskID, name: String) -> Int? {
        if let index = lanes.firstIndex(where: { $0.task == task }) { return index }
        guard lanes.count < Self.laneLimit else { return nil }
        lanes.append(LogLane(task: task, name: name))
        return lanes.count - 1
    }

    /// Takes a chunk of one stream. Complete lines are indexed; the rest waits for its end.
    func append(_ bytes: [UInt8], lane: Int, kind: LogLine.Kind, at: Int64) {
        received &+= bytes.count
        var tail = takeTail(lane: lane, kind: kind)
        bytes.withUnsafeBufferPointer { chunk in
            var index = 0
            while index < chunk.count, let base = chunk.baseAddress {
                let found = memchr(base + index, 0x0A, chunk.count - index)
                let end = found.map { UnsafeRawPointer($0) - UnsafeRawPointer(base) } ?? chunk.count
                let part = UnsafeBufferPointer(rebasing: chunk[index..<end])
                if found == nil {
                    tail.append(contentsOf: part)
                } else if tail.isEmpty {
                    store(part, lane: lane, kind: kind, at: at)
                } else {
                    tail.append(contentsOf: part)
                    tail.withUnsafeBufferPointer { store($0, lane: lane, kind: kind, at: at) }
                    tail.removeAll(keepingCapacity: true)
                }
                index = end + 1
                while tail.count > Self.lineLimit {
                    tail.withUnsafeBufferPointer {
                        store(UnsafeBufferPointer(rebasing: $0[0..<Self.lineLimit]), lane: lane, kind: kind, at: at)
                    }
                    tail.removeFirst(Self.lineLimit)
                }
            }
        }
        if !tail.isEmpty { tails.append(Tail(lane: lane, kind: kind, at: at, bytes: tail)) }
    }

    /// Adds a line of our own.
    func note(_ text: String, lane: Int, at: Int64) {
        Array(text.utf8).withUnsafeBufferPointer { store($0, lane: lane, kind: .notice, at: at) }
    }

    /// The source has ended: unfinished lines of a lane become complete.
    func finish(lane: Int) {
        for tail in tails where tail.lane == lane {
            tail.bytes.withUnsafeBufferPointer { store($0, lane: lane, kind: tail.kind, at: tail.at) }
        }
        tails.removeAll { $0.lane == lane }
    }

    private func takeTail(lane: Int, kind: LogLine.Kind) -> [UInt8] {
        guard let index = tails.firstIndex(where: { $0.lane == lane && $0.kind == kind }) else { return [] }
        return tails.remove(at: index).bytes
    }

    private func store(_ line: UnsafeBufferPointer<UInt8>, lane: Int, kind: LogLine.Kind, at: Int64) {
        var rest = line
        repeat {
            let part = UnsafeBufferPointer(rebasing: rest.prefix(Self.lineLimit))
            rest = UnsafeBufferPointer(rebasing: rest.dropFirst(part.count))
            if slabs[slabs.count - 1].bytes.count + part.count + 1 > Self.slabSize { rotate() }
            let last = slabs.count - 1
            let entry = Entry(
                offset: UInt32(truncatingIfNeeded: slabs[last].bytes.count),
                length: UInt32(truncatingIfNeeded: part.count),
                lane: UInt16(truncatingIfNeeded: lane), kind: kind, at: at)
            slabs[last].bytes.append(contentsOf: part)
            slabs[last].bytes.append(0x0A)
            slabs[last].entries.append(entry)
        } while !rest.isEmpty
    }

    private func rotate() {
        var next = Slab(firstLine: endOfComplete)
        if slabs.count >= slabLimit {
            var old = slabs.removeFirst()
            dropped += old.entries.count
            // Its memory serves again.
            old.bytes.removeAll(keepingCapacity: true)
            old.entries.removeAll(keepingCapacity: true)
            next.bytes = old.bytes
            next.entries = old.entries
        } else {
            next.bytes.reserveCapacity(Self.slabSize)
        }
        slabs.append(next)
    }

    /// A line by its number; nil when it was dropped or does not exist yet.
    func line(_ number: Int) -> LogLine? {
        if number >= endOfComplete {
            let index = number - endOfComplete
            guard index < tails.count else { return nil }
            let tail = tails[index]
            return LogLine(bytes: tail.bytes[...], lane: tail.lane, kind: tail.kind, at: tail.at, isPartial: true)
        }
        guard let (slab, index) = locate(number) else { return nil }
        let entry = slabs[slab].entries[index]
        let start = Int(entry.offset)
        return LogLine(
            bytes: slabs[slab].bytes[start..<start + Int(entry.length)], lane: Int(entry.lane), kind: entry.kind,
            at: entry.at)
    }

    private func locate(_ number: Int) -> (slab: Int, index: Int)? {
        guard number >= firstLine, number < endOfComplete else { return nil }
        var low = 0
        var high = slabs.count - 1
        while low < high {
            let middle = (low + high + 1) / 2
            if slabs[middle].firstLine <= number { low = middle } else { high = middle - 1 }
        }
        let index = number - slabs[low].firstLine
        return index < slabs[low].entries.count ? (low, index) : nil
    }

    // MARK: whole text

    /// The bytes kept, oldest first, in pieces that share their storage with the ring until it changes.
    func snapshot() -> [[UInt8]] {
        slabs.map(\.bytes) + tails.map { $0.bytes + [0x0A] }
    }

    /// Looks for `pattern` in the lines of one slab, from `line` on (or before, backwards), and says where to go on.
    func search(_ pattern: LogPattern, from line: Int, backwards: Bool) -> LogSearchStep {
        if line >= endOfComplete {
            return searchTails(pattern, from: line, backwards: backwards)
        }
        guard let (slab, index) = locate(max(line, firstLine)), line >= firstLine || !backwards else {
            return .exhausted
        }
        let range = backwards ? 0..<index + 1 : index..<slabs[slab].entries.count
        if let found = search(pattern, slab: slab, range, last: backwards) {
            return .found(slabs[slab].firstLine + found)
        }
        if backwards { return slab == 0 ? .exhausted : .next(slabs[slab].firstLine - 1) }
        return .next(slabs[slab].firstLine + slabs[slab].entries.count)
    }

    private func searchTails(_ pattern: LogPattern, from line: Int, backwards: Bool) -> LogSearchStep {
        let start = line - endOfComplete
        if backwards {
            let last = tails[..<min(tails.count, start + 1)].lastIndex { pattern.matches($0.bytes[...]) }
            if let last { return .found(endOfComplete + last) }
            return endOfComplete > firstLine ? .next(endOfComplete - 1) : .exhausted
        }
        guard start < tails.count, let first = tails[start...].firstIndex(where: { pattern.matches($0.bytes[...]) })
        else {
            return .exhausted
        }
        return .found(endOfComplete + first)
    }

    private func search(_ pattern: LogPattern, slab: Int, _ range: Range<Int>, last: Bool) -> Int? {
        let entries = slabs[slab].entries
        guard !range.isEmpty else { return nil }
        let limit = Int(entries[range.upperBound - 1].offset) + Int(entries[range.upperBound - 1].length)
        var offset = Int(entries[range.lowerBound].offset)
        var found: Int?
        while let place = pattern.find(slabs[slab].bytes, from: offset, to: limit) {
            let index = Self.entry(at: place, entries, range)
            found = index
            if !last { break }
            offset = Int(entries[index].offset) + Int(entries[index].length)
        }
        return found
    }

    private static func entry(at offset: Int, _ entries: [Entry], _ range: Range<Int>) -> Int {
        var low = range.lowerBound
        var high = range.upperBound - 1
        while low < high {
            let middle = (low + high + 1) / 2
            if Int(entries[middle].offset) <= offset { low = middle } else { high = middle - 1 }
        }
        return low
    }
}
