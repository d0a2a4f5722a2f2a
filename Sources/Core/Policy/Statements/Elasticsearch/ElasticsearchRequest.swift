// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

/// A request to Elasticsearch as text: method and path on the first line, the body on the others. It is read once for the
/// guard and for the agent, so that both mean the same.
public struct ElasticsearchRequest: Sendable {
    /// In capitals.
    public private(set) var method: String
    /// The parts of the path between its slashes, decoded; empty ones are left out.
    public private(set) var segments: [String]
    /// The parameters, decoded, each name once.
    public private(set) var query: [(name: String, value: String)]
    /// The body; also when it was given as the parameter `source`, which then is none any more.
    public private(set) var body: ArraySlice<UInt8>

    /// The request of a text; throws `invalid_argument`, saying where it cannot be read.
    public static func parse(_ text: String) throws(DeployError) -> ElasticsearchRequest {
        do {
            return try ElasticsearchRequest(Array(text.utf8))
        } catch {
            throw DeployError(.invalidArgument, "\(error.message) (at byte \(error.position))")
        }
    }

    /// Where in the path the call stands: the first part that starts with an underscore, as in `/index/_doc/1`.
    var place: Int? { segments.firstIndex { $0.hasPrefix("_") && $0 != "_all" } }

    /// The call, such as `_search`; empty when the path is that of an index, or none.
    public var call: String { place.map { segments[$0] } ?? "" }

    /// The indices it is about; nil for none.
    public var index: String? { place == 0 ? nil : segments.first }

    /// Whether the body is one JSON value a line, instead of one.
    public var isLines: Bool { call == "_bulk" || call == "_msearch" }

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
                let name = try Self.decoded(pair[0], plus: true)
                // Which of two counts, servers decide differently from version to version.
                guard !query.contains(where: { $0.name == name }) else {
                    throw JSONTextError(
                        position: part.startIndex, message: "the parameter \(name.prefix(40)) is given twice")
                }
                query.append((name, value))
            }
        }
        body = end < bytes.count ? bytes[(end + 1)...] : bytes[bytes.count...]
        if let first = query.first(where: { $0.name == "source" }) {
            guard bodyIsEmpty else { throw JSONTextError(position: place, message: "a body and a parameter source") }
            body = Array(first.value.utf8)[...]
            query.removeAll { $0.name == "source" || $0.name == "source_content_type" }
        }
    }

    /// Whether there is nothing but blanks in the body.
    public var bodyIsEmpty: Bool { body.allSatisfy { $0 == 0x20 || (0x09...0x0D).contains($0) } }

    /// The value of a parameter.
    public func parameter(_ name: String) -> String? { query.first { $0.name == name }?.value }

    /// Method and path as they are understood.
    public var line: String {
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
