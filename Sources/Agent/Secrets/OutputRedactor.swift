// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import NIOCore

/// Hides secrets in one output while it passes. What may be the beginning of a secret is held back until it is known.
struct OutputRedactor: Sendable {
    private var plain: PatternScanner
    private var base64: PatternScanner
    private var decoded: PercentScanner
    private let interesting: [Bool]

    /// Read and not passed on yet; `base` is the position of its first byte.
    private var held = ByteBuffer()
    private var base = 0
    private var position = 0
    /// What is to be hidden of the bytes that are held, in order and apart.
    private var hits: [Range<Int>] = []
    /// Where the last mark ends: what overlaps it needs no second one.
    private var hidden = 0

    /// A beginning of at least this many bytes is hidden when the program pauses in it; a shorter one is passed on.
    private static let telling = 4

    /// For the secrets of one task.
    init(_ redaction: Redaction) {
        plain = PatternScanner(redaction.plain, skipsLineBreaks: false)
        base64 = PatternScanner(redaction.base64, skipsLineBreaks: true)
        decoded = PercentScanner(redaction.decoded)
        interesting = (0...255).map { value in
            let byte = UInt8(value)
            return byte == UInt8(ascii: "%") || redaction.plain.begins(byte) || redaction.base64.begins(byte)
                || redaction.decoded.begins(byte)
        }
    }

    /// Whether bytes are held back.
    var isHolding: Bool { held.readableBytes > 0 }

    /// Takes some output; returns what can be passed on.
    mutating func take(_ bytes: ByteBuffer) -> ByteBuffer {
        let before = position
        bytes.withUnsafeReadableBytes { scan($0) }
        let boundary = oldest
        if held.readableBytes == 0, hits.isEmpty, hidden <= before {
            if boundary >= position {
                base = position
                return bytes
            }
            if boundary >= before {
                // The common end of a chunk: all but a few last bytes.
                let passed = boundary - before
                held = bytes.getSlice(at: bytes.readerIndex + passed, length: position - boundary) ?? ByteBuffer()
                base = boundary
                return bytes.getSlice(at: bytes.readerIndex, length: passed) ?? ByteBuffer()
            }
        }
        held.writeImmutableBuffer(bytes)
        return release(upTo: boundary)
    }

    /// The program pauses or has ended: passes on what is held. What looks like a secret so far is hidden; should the
    /// program go on with the rest of it, that is hidden too.
    mutating func drain() -> ByteBuffer {
        for start in [plain.start(position), base64.start(position), decoded.start(position)]
        where position - start >= Self.telling {
            add(start..<position)
        }
        return release(upTo: position)
    }

    /// The first byte that may still turn out to belong to a secret.
    private var oldest: Int { min(plain.start(position), base64.start(position), decoded.start(position)) }

    private mutating func scan(_ bytes: UnsafeRawBufferPointer) {
        var index = 0
        while index < bytes.count {
            if plain.isIdle, base64.isIdle, decoded.isIdle {
                let first = index
                while index < bytes.count, !interesting[Int(bytes[index])] { index += 1 }
                position += index - first
                if index == bytes.count { return }
            }
            let byte = bytes[index]
            if let hit = plain.take(byte, at: position) { add(hit) }
            if let hit = base64.take(byte, at: position) { add(hit) }
            if let hit = decoded.take(byte, at: position) { add(hit) }
            index += 1
            position += 1
        }
    }

    private mutating func add(_ hit: Range<Int>) {
        var hit = hit
        while let last = hits.last, last.upperBound > hit.lowerBound {
            hit = min(last.lowerBound, hit.lowerBound)..<max(last.upperBound, hit.upperBound)
            hits.removeLast()
        }
        hits.append(hit)
    }

    private mutating func release(upTo boundary: Int) -> ByteBuffer {
        var out = ByteBuffer()
        var at = base
        var done = 0
        while at < boundary {
            if at < hidden {
                at = min(boundary, hidden)
                continue
            }
            guard done < hits.count, hits[done].lowerBound < boundary else {
                copy(at..<boundary, to: &out)
                at = boundary
                break
            }
            let hit = hits[done]
            if hit.upperBound > at {
                if hit.lowerBound > at { copy(at..<hit.lowerBound, to: &out) }
                if hit.lowerBound >= hidden { out.writeString(Redaction.mark) }
                at = max(at, hit.lowerBound)
                hidden = hit.upperBound
            }
            done += 1
        }
        hits.removeFirst(done)
        held.moveReaderIndex(forwardBy: at - base)
        if held.readableBytes == 0 { held = ByteBuffer() } else { held.discardReadBytes() }
        base = at
        return out
    }

    private func copy(_ range: Range<Int>, to out: inout ByteBuffer) {
        if let slice = held.getSlice(at: held.readerIndex + range.lowerBound - base, length: range.count) {
            out.writeImmutableBuffer(slice)
        }
    }
}

/// Looks for patterns byte by byte; can pass over line breaks within them.
private struct PatternScanner: Sendable {
    private let automaton: PatternAutomaton
    private let skipsLineBreaks: Bool
    private var state: PatternAutomaton.State = 0
    /// Where line breaks were passed over since a pattern may have begun.
    private var skipped: [Int] = []

    init(_ automaton: PatternAutomaton, skipsLineBreaks: Bool) {
        self.automaton = automaton
        self.skipsLineBreaks = skipsLineBreaks
    }

    var isIdle: Bool { state == 0 }

    /// So many positions are looked through for those no longer needed.
    static let manyPositions = 256

    /// The next byte; the range of the longest pattern that ends with it.
    mutating func take(_ byte: UInt8, at position: Int) -> Range<Int>? {
        if skipsLineBreaks, byte == UInt8(ascii: "\n") || byte == UInt8(ascii: "\r") {
            guard state != 0 else { return nil }
            if skipped.count >= Self.manyPositions { skipped = skipped.filter { $0 >= start(position) } }
            skipped.append(position)
            return nil
        }
        state = automaton.next(state, byte)
        if state == 0 {
            if !skipped.isEmpty { skipped = [] }
            return nil
        }
        let length = automaton.match(state)
        return length == 0 ? nil : start(of: length, position + 1)..<(position + 1)
    }

    /// Where what may be a pattern began; the end when there is none.
    func start(_ end: Int) -> Int { start(of: automaton.depth(state), end) }

    private func start(of length: Int, _ end: Int) -> Int {
        var start = end - length
        if length > 0 {
            for position in skipped.reversed() {
                guard position >= start else { break }
                start -= 1
            }
        }
        return start
    }
}

/// Looks for patterns in what the text says once `%XX` is decoded.
private struct PercentScanner: Sendable {
    private let automaton: PatternAutomaton
    private var state: PatternAutomaton.State = 0
    /// The last bytes of `%XX` since a pattern may have begun.
    private var wide: [Int] = []
    /// Bytes of a `%XX` that is not complete, and its first digit.
    private var pending = 0
    private var digit: UInt8 = 0

    init(_ automaton: PatternAutomaton) { self.automaton = automaton }

    var isIdle: Bool { state == 0 && pending == 0 }

    mutating func take(_ byte: UInt8, at position: Int) -> Range<Int>? {
        switch (pending, Self.value(byte)) {
        case (1, _?):
            (pending, digit) = (2, byte)
            return nil
        case (2, let value?):
            pending = 0
            if wide.count >= PatternScanner.manyPositions { wide = wide.filter { $0 >= start(position) } }
            wide.append(position)
            return step((Self.value(digit) ?? 0) << 4 | value, position)
        case (1...2, nil):
            // No such sequence after all: its bytes stand for themselves, and none of them ends a secret that the plain
            // search would not have found.
            let count = pending
            pending = 0
            _ = step(UInt8(ascii: "%"), position - count)
            if count == 2 { _ = step(digit, position - 1) }
            return take(byte, at: position)
        default:
            if byte == UInt8(ascii: "%") {
                pending = 1
                return nil
            }
            return step(byte, position)
        }
    }

    /// Where what may be a pattern, or a `%XX`, began; the end when there is none.
    func start(_ end: Int) -> Int { start(of: automaton.depth(state), end - pending) }

    private mutating func step(_ byte: UInt8, _ position: Int) -> Range<Int>? {
        state = automaton.next(state, byte)
        if state == 0 {
            if !wide.isEmpty { wide = [] }
            return nil
        }
        let length = automaton.match(state)
        return length == 0 ? nil : start(of: length, position + 1)..<(position + 1)
    }

    private func start(of length: Int, _ end: Int) -> Int {
        var start = end - length
        if length > 0 {
            for position in wide.reversed() {
                guard position >= start else { break }
                start -= 2
            }
        }
        return start
    }

    private static func value(_ byte: UInt8) -> UInt8? {
        switch byte {
        case 48...57: byte - 48
        case 65...70: byte - 55
        case 97...102: byte - 87
        default: nil
        }
    }
}
