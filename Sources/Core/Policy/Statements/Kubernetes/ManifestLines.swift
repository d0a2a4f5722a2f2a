// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

/// Recognises lines of a manifest that can hold neither anchor, alias nor tag: those inside block scalars (`script: |`), and
/// plain ones such as `key: value`.
///
/// What it does not recognise may be anything, and from there to the end of the document it recognises nothing: it must never
/// take for a scalar's text what the YAML library takes for more.
struct ManifestLines {
    /// What a line is.
    enum Kind: Equatable {
        /// Text of a block scalar.
        case text
        /// Recognised: a key, an item, a comment, nothing.
        case plain
        /// Anything.
        case unknown
    }

    /// Whether all of the document so far was recognised.
    private var isKnown: Bool
    /// Inside a block scalar: the column of the key or dash it belongs to, and the indentation of its text once known.
    private var block: (column: Int, indentation: Int?)?

    /// - Parameter bytes: The whole text; with other line ends than LF or CR LF nothing is recognised.
    init(_ bytes: ArraySlice<UInt8>) {
        isKnown = true
        hasForeignBreaks = Self.hasForeignBreaks(bytes)
        if hasForeignBreaks { isKnown = false }
    }

    private let hasForeignBreaks: Bool

    /// What the next line is; to be asked of every line in its order.
    mutating func kind(of line: ArraySlice<UInt8>) -> Kind {
        var line = line
        if line.last == 0x0D { line = line.dropLast() }
        if line.starts(with: "---".utf8) {
            block = nil
            // Nothing of the document before reaches across; what follows on the same line is not looked into.
            isKnown = !hasForeignBreaks && line.dropFirst(3).allSatisfy { $0 == 0x20 }
            return .unknown
        }
        guard isKnown else { return .unknown }
        let content = line.drop { $0 == 0x20 }
        let indentation = content.startIndex - line.startIndex
        if let open = block {
            if content.isEmpty { return .text }
            if indentation >= open.indentation ?? open.column + 1 {
                block?.indentation = open.indentation ?? indentation
                return .text
            }
            block = nil
        }
        isKnown = recognise(content, at: indentation)
        return isKnown ? .plain : .unknown
    }

    // MARK: Lines

    private mutating func recognise(_ content: ArraySlice<UInt8>, at column: Int) -> Bool {
        var rest = content
        var column = column
        if rest.isEmpty || rest.first == UInt8(ascii: "#") { return true }
        var dashes = 0
        while rest.first == UInt8(ascii: "-"), rest.count == 1 || rest[rest.startIndex + 1] == 0x20 {
            dashes += 1
            let after = rest.dropFirst().drop { $0 == 0x20 }
            if after.isEmpty { return dashes <= 4 }
            if let key = Self.key(after) {
                column += after.startIndex - rest.startIndex
                return dashes <= 4 && value(after[key...], column)
            }
            guard after.first == UInt8(ascii: "-"), after.dropFirst().first == 0x20 else {
                return dashes <= 4 && value(after, column)
            }
            column += after.startIndex - rest.startIndex
            rest = after
        }
        guard dashes == 0, let key = Self.key(rest) else { return false }
        return value(rest[key...], column)
    }

    /// Where the value after a simple key starts; nil without such a key.
    private static func key(_ content: ArraySlice<UInt8>) -> Int? {
        guard let first = content.first else { return nil }
        var end: Int
        if first == UInt8(ascii: "\"") || first == UInt8(ascii: "'") {
            let name = content.dropFirst().prefix { isName($0) }
            guard name.endIndex < content.endIndex, content[name.endIndex] == first else { return nil }
            end = name.endIndex + 1
        } else {
            guard isName(first), first != UInt8(ascii: "-") else { return nil }
            end = content.prefix { isName($0) }.endIndex
        }
        guard end < content.endIndex, content[end] == UInt8(ascii: ":") else { return nil }
        end += 1
        guard end == content.endIndex || content[end] == 0x20 else { return nil }
        return content[end...].drop { $0 == 0x20 }.startIndex
    }

    private mutating func value(_ content: ArraySlice<UInt8>, _ column: Int) -> Bool {
        var content = content
        while content.last == 0x20 { content = content.dropLast() }
        guard let first = content.first else { return true }
        switch first {
        case UInt8(ascii: "|"), UInt8(ascii: ">"):
            let chomping = content.dropFirst()
            guard chomping.isEmpty || chomping.elementsEqual("-".utf8) || chomping.elementsEqual("+".utf8) else {
                return false
            }
            block = (column, nil)
            return true
        case UInt8(ascii: "\""), UInt8(ascii: "'"): return Self.quoted(content) == content.endIndex
        case UInt8(ascii: "["), UInt8(ascii: "{"): return Self.isFlow(content)
        default: return Self.isPlain(content)
        }
    }

    // MARK: Values

    /// Where a quoted text ends, behind its quote; nil when it does not end on this line.
    private static func quoted(_ content: ArraySlice<UInt8>) -> Int? {
        guard let quote = content.first else { return nil }
        var index = content.startIndex + 1
        while index < content.endIndex {
            if content[index] == UInt8(ascii: "\\"), quote == UInt8(ascii: "\"") {
                index += 2
                continue
            }
            if content[index] == quote {
                guard quote == UInt8(ascii: "'"), index + 1 < content.endIndex, content[index + 1] == quote else {
                    return index + 1
                }
                index += 1
            }
            index += 1
        }
        return nil
    }

    /// A plain scalar: nothing in it can start something else.
    private static func isPlain(_ content: ArraySlice<UInt8>) -> Bool {
        guard let first = content.first, isName(first) || "~$(/+<=^;".utf8.contains(first) || first >= 0x80 else {
            return false
        }
        if first == UInt8(ascii: "-"), content.count == 1 || content[content.startIndex + 1] == 0x20 { return false }
        var before = first
        for byte in content.dropFirst() {
            if byte == 0x09 || before == UInt8(ascii: ":") && byte == 0x20 { return false }
            if before == 0x20, byte == UInt8(ascii: "#") { return false }
            before = byte
        }
        return before != UInt8(ascii: ":")
    }

    /// `[...]` or `{...}` that ends on this line and holds quoted and plain scalars only.
    private static func isFlow(_ content: ArraySlice<UInt8>) -> Bool {
        var depth = 0
        var index = content.startIndex
        // The last byte that is no blank, and whether a blank follows it.
        var (before, isBlankBefore) = (UInt8(ascii: "["), false)
        while index < content.endIndex {
            let byte = content[index]
            let isStart =
                "[{,".utf8.contains(before) || before == UInt8(ascii: ":") && isBlankBefore
            switch byte {
            case 0x20:
                isBlankBefore = true
                index += 1
                continue
            case UInt8(ascii: "["), UInt8(ascii: "{"):
                guard isStart || index == content.startIndex else { return false }
                depth += 1
                guard depth <= 8 else { return false }
            case UInt8(ascii: "]"), UInt8(ascii: "}"):
                depth -= 1
                if depth == 0 { return index + 1 == content.endIndex }
            case UInt8(ascii: "\""), UInt8(ascii: "'"):
                guard isStart, let end = quoted(content[index...]) else { return false }
                // What may come behind it; more would be read differently here and there.
                let next = content[end...].first { $0 != 0x20 }
                guard let next, ",]}:".utf8.contains(next) else { return false }
                if next == UInt8(ascii: ":") {
                    guard end + 1 < content.endIndex, content[end] == next, content[end + 1] == 0x20 else {
                        return false
                    }
                }
                (before, isBlankBefore) = (UInt8(ascii: "x"), false)
                index = end
                continue
            case UInt8(ascii: ","), UInt8(ascii: ":"): break
            case UInt8(ascii: "&") where before == UInt8(ascii: ":"),
                UInt8(ascii: "*") where before == UInt8(ascii: ":"),
                UInt8(ascii: "!") where before == UInt8(ascii: ":"):
                return false
            default:
                guard !isStart || isName(byte) || byte >= 0x80 || "/$(+<=~".utf8.contains(byte), byte >= 0x20 else {
                    return false
                }
                if byte == UInt8(ascii: "#") || byte == UInt8(ascii: "?") { return false }
            }
            (before, isBlankBefore) = (byte, false)
            index += 1
        }
        return false
    }

    private static func isName(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), 0x30...0x39: true
        case UInt8(ascii: "_"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "/"): true
        default: false
        }
    }

    /// Line ends that the YAML library takes and this does not: CR alone, NEL, LS and PS; and a byte order mark.
    private static func hasForeignBreaks(_ bytes: ArraySlice<UInt8>) -> Bool {
        var index = bytes.startIndex
        while index < bytes.endIndex {
            let next = index + 1 < bytes.endIndex ? bytes[index + 1] : 0
            switch bytes[index] {
            case 0x0D: if next != 0x0A { return true }
            case 0xC2: if next == 0x85 { return true }
            case 0xE2:
                let third = index + 2 < bytes.endIndex ? bytes[index + 2] : 0
                if next == 0x80, third == 0xA8 || third == 0xA9 { return true }
            case 0xEF: if next == 0xBB { return true }
            default: break
            }
            index += 1
        }
        return false
    }
}
