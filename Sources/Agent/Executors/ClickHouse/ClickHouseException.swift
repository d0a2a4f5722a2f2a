// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// An error as the server writes it: `Code: 60, e.displayText() = DB::Exception: ..., e.what() = DB::Exception`, or since
/// version 21 `Code: 60. DB::Exception: ... (UNKNOWN_TABLE) (version ...)`.
struct ClickHouseException: Error, Sendable, Hashable {
    /// Its number.
    var code: Int
    /// Its name, where the server tells it.
    var name: String?
    /// What went wrong, in one line.
    var message: String

    /// What errors can begin with.
    private static let beginnings = ["Code: ", "Poco::Exception. Code: ", "std::exception. Code: "]

    /// Whether a line may be the first of an error.
    static func mayBegin(_ line: UnsafeRawBufferPointer) -> Bool {
        beginnings.contains { $0.utf8.count < line.count && line.starts(with: $0.utf8) }
    }

    /// Reads a text that is an error from its first byte to its last; nil for everything else.
    init?(_ text: String) {
        guard let beginning = Self.beginnings.first(where: { text.hasPrefix($0) }) else { return nil }
        var rest = text.dropFirst(beginning.count)
        while rest.last?.isWhitespace == true { rest.removeLast() }
        let digits = rest.prefix { $0.isASCII && $0.isNumber }
        guard let code = Int(digits), digits.count <= 9 else { return nil }
        self.code = code
        rest = rest.dropFirst(digits.count)
        if rest.hasPrefix(". ") {
            rest = rest.dropFirst(2)
            guard rest.contains("::") || rest.hasSuffix(")") else { return nil }
            if rest.hasSuffix(")"), let version = Self.lastRange(of: " (version ", in: rest) {
                rest = rest[..<version.lowerBound]
            }
            if rest.hasSuffix(")"), let open = rest.lastIndex(of: "(") {
                let word = rest[rest.index(after: open)...].dropLast()
                if word.allSatisfy({ $0.isUppercase || $0 == "_" || $0.isNumber }), !word.isEmpty {
                    name = String(word)
                    rest = rest[..<open]
                }
            }
        } else {
            guard rest.hasPrefix(", "), let end = Self.lastRange(of: ", e.what() = ", in: rest) else { return nil }
            rest = rest[..<end.lowerBound]
            if let start = Self.firstRange(of: "e.displayText() = ", in: rest) { rest = rest[start.upperBound...] }
        }
        for kind in ["DB::Exception: ", "DB::NetException: ", "DB::ParsingException: "] where rest.hasPrefix(kind) {
            rest = rest.dropFirst(kind.count)
        }
        let words = rest.split(whereSeparator: \.isNewline).joined(separator: " ")
        message = String(words.trimmingPrefix(while: \.isWhitespace).prefix(4096))
        while message.last?.isWhitespace == true || message.last == "." { message.removeLast() }
    }

    /// An answer that is no success, whatever it holds.
    init(status: UInt, body: String) {
        if let known = ClickHouseException(body) {
            self = known
        } else {
            code = 0
            let line = body.split(whereSeparator: \.isNewline).first.map { ": \($0.prefix(400))" } ?? ""
            message = "the server answered with status \(status)\(line)"
        }
    }

    /// What it is in the table of errors.
    var errorCode: ErrorCode {
        switch code {
        case 192, 193, 194, 195, 516: .unauthenticated
        case 164, 291, 497: .forbidden
        case 16, 46, 47, 50, 60, 73, 81: .notFound
        case 6, 26, 27, 36, 38, 41, 42, 43, 53, 62, 69, 70, 72, 115, 153, 395: .invalidArgument
        case 394: .canceled
        case 159, 209: .timedOut
        case 202: .rateLimited
        case 201, 210, 241, 242, 252, 319: .unavailable
        case 243: .insufficientStorage
        case 1, 48, 344: .unsupported
        case 0, 1000, 1001, 1002, 49: .internal
        default: .conflict
        }
    }

    private static func lastRange(of text: String, in whole: Substring) -> Range<Substring.Index>? {
        whole.ranges(of: text).last
    }

    private static func firstRange(of text: String, in whole: Substring) -> Range<Substring.Index>? {
        whole.firstRange(of: text)
    }
}
