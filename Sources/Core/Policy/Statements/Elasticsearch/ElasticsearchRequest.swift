// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

/// A request to Elasticsearch as text: method and path on the first line, the body on the others.
struct ElasticsearchRequest {
    var method: String
    /// The parts of the path between its slashes, decoded; empty ones are left out.
    var segments: [String]
    var query: [(name: String, value: String)]
    var body: ArraySlice<UInt8>

    static let methods: Set<String> = ["GET", "HEAD", "POST", "PUT", "DELETE"]

    init(_ bytes: [UInt8]) throws(JSONTextError) {
        let end = bytes.firstIndex(of: 0x0A) ?? bytes.count
        var line = bytes[..<end]
        if line.last == 0x0D { line = line.dropLast() }
        let words = line.split(whereSeparator: { $0 == 0x20 || $0 == 0x09 })
        guard words.count == 2 else {
            throw JSONTextError(
                position: 0, message: "the first line is not a method and a path, such as GET /index/_search")
        }
        method = SQLLexer.uppercased(String(decoding: words[0], as: UTF8.self))
        guard Self.methods.contains(method) else { throw JSONTextError(position: 0, message: "an unknown method") }
        let place = words[1].startIndex
        guard words[1].allSatisfy({ (0x21...0x7E).contains($0) && !"#\\\"<>^`{|}".utf8.contains($0) }) else {
            throw JSONTextError(position: place, message: "the path holds characters that must be percent-encoded")
        }
        let parts = words[1].split(separator: UInt8(ascii: "?"), maxSplits: 1, omittingEmptySubsequences: false)
        guard !parts[0].contains(UInt8(ascii: ":")) || parts[0].first == UInt8(ascii: "/") else {
            throw JSONTextError(position: place, message: "an address instead of a path")
        }
        segments = []
        for part in parts[0].split(separator: UInt8(ascii: "/")) {
            let text = try Self.decoded(part, plus: false)
            guard text != ".", text != ".." else {
                throw JSONTextError(position: part.startIndex, message: "a path with . or ..")
            }
            segments.append(text)
        }
        query = []
        if parts.count == 2 {
            for part in parts[1].split(whereSeparator: { $0 == UInt8(ascii: "&") || $0 == UInt8(ascii: ";") }) {
                let pair = part.split(separator: UInt8(ascii: "="), maxSplits: 1, omittingEmptySubsequences: false)
                let value = pair.count == 2 ? try Self.decoded(pair[1], plus: true) : ""
                query.append((try Self.decoded(pair[0], plus: true), value))
            }
        }
        body = end < bytes.count ? bytes[(end + 1)...] : bytes[bytes.count...]
        if let first = query.first(where: { $0.name == "source" }) {
            guard bodyIsEmpty else { throw JSONTextError(position: place, message: "a body and a parameter source") }
            body = Array(first.value.utf8)[...]
        }
    }

    var bodyIsEmpty: Bool { body.allSatisfy { $0 == 0x20 || (0x09...0x0D).contains($0) } }

    func parameter(_ name: String) -> String? { query.first { $0.name == name }?.value }

    /// Method and path as they are understood.
    var line: String {
        let parameters = query.map { "\($0.name)=\($0.value)" }.joined(separator: "&")
        return "\(method) /" + segments.joined(separator: "/") + (parameters.isEmpty ? "" : "?\(parameters)")
    }

    /// Decodes `%XX` once; what is still encoded afterwards, or decodes to a control character, is refused.
    private static func decoded(_ text: ArraySlice<UInt8>, plus: Bool) throws(JSONTextError) -> String {
        var result: [UInt8] = []
        var index = text.startIndex
        while index < text.endIndex {
            let byte = text[index]
            if byte == UInt8(ascii: "%") {
                guard index + 2 < text.endIndex, let value = hexadecimal(text[index + 1], text[index + 2]),
                    value >= 0x20,
                    value != 0x7F, value != UInt8(ascii: "%")
                else { throw JSONTextError(position: index, message: "a percent sign that encodes no plain character") }
                result.append(value)
                index += 3
            } else {
                result.append(byte == UInt8(ascii: "+") && plus ? 0x20 : byte)
                index += 1
            }
        }
        guard let decoded = String(validating: result, as: UTF8.self) else {
            throw JSONTextError(position: text.startIndex, message: "a path that is not UTF-8")
        }
        return decoded
    }

    private static func hexadecimal(_ high: UInt8, _ low: UInt8) -> UInt8? {
        guard let first = Character(Unicode.Scalar(high)).hexDigitValue,
            let second = Character(Unicode.Scalar(low)).hexDigitValue
        else { return nil }
        return UInt8(first * 16 + second)
    }
}
