// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import NIOCore

/// Watches an answer in a format that the statement asks for, which is passed on as it is, for an error at its end.
struct ClickHouseRaw {
    private let tag: String?
    private var tail = ByteBuffer()

    /// How much of the end is looked at.
    private static let limit = 65_536

    /// - Parameter tag: What stands behind the mark of an error, where the server says so.
    init(tag: String?) { self.tag = tag }

    /// Looks at the next part.
    mutating func take(_ part: ByteBuffer) {
        tail.writeImmutableBuffer(part)
        if tail.readableBytes > Self.limit {
            tail.moveReaderIndex(forwardBy: tail.readableBytes - Self.limit)
            tail.discardReadBytes()
        }
    }

    /// The error that the answer ends with.
    var exception: ClickHouseException? {
        let text = String(buffer: tail)
        if let mark = text.ranges(of: "__exception__\r\n").first ?? text.ranges(of: "__exception__\n").first {
            var rest = text[mark.upperBound...]
            if let tag {
                guard rest.hasPrefix(tag) else { return nil }
                rest = rest.dropFirst(tag.count).trimmingPrefix(while: \.isNewline)
                if let end = rest.ranges(of: " \(tag)").last,
                    let line = rest[..<end.lowerBound].lastIndex(where: \.isNewline)
                {
                    rest = rest[..<line]
                }
            }
            return ClickHouseException(String(rest))
        }
        guard tag == nil,
            let start = text.ranges(of: "Code: ").map(\.lowerBound).last(where: { place in
                place == text.startIndex || text[text.index(before: place)].isNewline || isOpen(text, place)
            })
        else { return nil }
        return ClickHouseException(String(text[start...]))
    }

    /// Whether the text behind `place` is an error of the older kind, wherever it begins: binary formats have no lines.
    private func isOpen(_ text: String, _ place: String.Index) -> Bool {
        text[place...].contains(", e.displayText() = ") && text.hasSuffix("e.what() = DB::Exception\n")
    }
}
