// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import CTerminal

/// What one slice of a search came to. A search is a chain of slices, a slab each, so that drawing never waits for it.
enum LogSearchStep: Equatable {
    case found(Int)
    /// Nothing here; go on at this line.
    case next(Int)
    case exhausted
}

/// A literal text to look for in raw bytes. Without capital letters it matches either case (ASCII).
struct LogPattern: Equatable, Sendable {
    let text: String
    private let needle: [UInt8]
    private let folds: Bool

    /// Nil when the text is empty. Longer than 1 KiB is cut.
    init?(_ text: String) {
        guard !text.isEmpty else { return nil }
        self.text = text
        folds = !text.utf8.contains { (65...90).contains($0) }
        needle = Array(text.utf8.prefix(1024))
    }

    /// The first place at or after `from` where the text lies wholly before `to`.
    func find(_ bytes: [UInt8], from: Int, to: Int) -> Int? {
        guard from >= 0, from < to, to <= bytes.count else { return nil }
        let found = bytes.withUnsafeBufferPointer { hay in
            needle.withUnsafeBufferPointer {
                ct_find(hay.baseAddress, to, from, $0.baseAddress, $0.count, folds)
            }
        }
        return found < 0 ? nil : found
    }

    func matches(_ bytes: ArraySlice<UInt8>) -> Bool {
        let found = bytes.withUnsafeBufferPointer { hay in
            needle.withUnsafeBufferPointer { ct_find(hay.baseAddress, hay.count, 0, $0.baseAddress, $0.count, folds) }
        }
        return found >= 0
    }

    /// The ranges of shown text that match, as scalar offsets.
    func ranges(in scalars: [Unicode.Scalar]) -> [Range<Int>] {
        let wanted = text.unicodeScalars.map { folds ? Self.fold($0) : $0 }
        guard wanted.count <= scalars.count else { return [] }
        var ranges: [Range<Int>] = []
        var start = 0
        while start + wanted.count <= scalars.count {
            var count = 0
            while count < wanted.count {
                let scalar = scalars[start + count]
                if (folds ? Self.fold(scalar) : scalar) != wanted[count] { break }
                count += 1
            }
            if count == wanted.count {
                ranges.append(start..<start + count)
                start += count
            } else {
                start += 1
            }
        }
        return ranges
    }

    private static func fold(_ scalar: Unicode.Scalar) -> Unicode.Scalar {
        (65...90).contains(scalar.value) ? Unicode.Scalar(UInt8(scalar.value + 32)) : scalar
    }
}
