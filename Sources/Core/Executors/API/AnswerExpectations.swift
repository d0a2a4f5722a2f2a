// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

/// What the answer to an HTTP request should be, and how one differs from it.
public struct AnswerExpectations: Sendable {
    /// The answer, as far as expectations look at it.
    public struct Answer: Sendable {
        /// Such as 200.
        public var status: Int
        /// What the server calls the status; may be empty.
        public var reason: String
        /// Fields in the order they came.
        public var headers: [(name: String, value: String)]
        /// The beginning of the body.
        public var body: [UInt8]
        /// Whether there was more of it.
        public var isCut: Bool

        /// An answer; see the properties.
        public init(
            status: Int, reason: String = "", headers: [(name: String, value: String)] = [], body: [UInt8] = [],
            isCut: Bool = false
        ) {
            self.status = status
            self.reason = reason
            self.headers = headers
            self.body = body
            self.isCut = isCut
        }
    }

    /// One of these.
    public var statuses: [StatusRange]
    /// A text the body holds.
    public var text: String?
    /// A line of the body matches it whole.
    public var expression: GuardExpression?
    /// What stands where in a body of JSON, in the order of the places.
    public var values: [(place: JSONPointer, value: JSONValue)]
    /// Fields of the head and their values, in the order of their names.
    public var headers: [(name: String, value: TaskValue)]

    /// Reads them from `params`; throws `invalid_argument` naming the parameter.
    init(_ parameters: TaskParameters) throws(DeployError) {
        statuses = []
        for text in parameters.list("expect_status") ?? ["2xx"] { statuses.append(try StatusRange(text)) }
        guard !statuses.isEmpty else { throw DeployError(.invalidArgument, "params.expect_status is empty") }
        text = parameters.text("expect_body")
        do throws(DeployError) {
            expression = try parameters.text("expect_matches").map { text throws(DeployError) in
                try GuardExpression(text)
            }
        } catch {
            throw DeployError(error.code, "params.expect_matches: \(error.message)", hint: error.hint)
        }
        values = []
        if let wanted = parameters.json("expect_json") {
            guard let members = wanted.objectValue, members.count <= 100 else {
                throw DeployError(
                    .invalidArgument, "params.expect_json is not an object of at most 100 places and their values",
                    hint: #"write it like {"/status": "ok"}"#)
            }
            for (place, value) in members.sorted(by: { $0.key < $1.key }) {
                do throws(DeployError) {
                    values.append((try JSONPointer(place), value))
                } catch {
                    throw DeployError(error.code, "params.expect_json: \(error.message)", hint: error.hint)
                }
            }
        }
        headers = parameters.pairs("expect_headers").sorted { $0.key < $1.key }.map { (name: $0.key, value: $0.value) }
    }

    /// Whether they look into the body.
    public var needBody: Bool { text != nil || expression != nil || !values.isEmpty }

    /// Every difference, each a clause for people; empty when the answer is as it should be.
    ///
    /// - Parameters:
    ///   - answer: What came.
    ///   - reveal: The text of a secret, for a header that must have it.
    ///   - isCanceled: Asked from time to time while matching; once it is true the rest is left out.
    public func differences(
        _ answer: Answer, reveal: (SecretReference) throws(DeployError) -> String, isCanceled: () -> Bool = { false }
    ) throws(DeployError) -> [String] {
        var found: [String] = []
        if !statuses.contains(where: { $0.contains(answer.status) }) {
            let wanted = statuses.map(\.description).joined(separator: ", ")
            let name = answer.reason.isEmpty ? "" : " \(answer.reason.prefix(64))"
            found.append("the status is \(answer.status)\(name), expected \(wanted)")
        }
        for (name, wanted) in headers {
            switch wanted {
            case .text(let text): found += header(name, text, "'\(Self.short(text))'", answer)
            case .secret(let reference):
                found += header(name, try reveal(reference), "the secret \(reference.name)", answer)
            }
        }
        guard needBody else { return found }
        guard !answer.isCut else {
            return found + ["the body is over \(answer.body.count) bytes, more than max_body, and was not checked"]
        }
        if let text, !Self.holds(answer.body, text) { found.append("the body does not hold '\(Self.short(text))'") }
        if let expression, !matches(expression, answer.body, isCanceled) {
            found.append("no line of the body matches \(expression.pattern)")
        }
        return found + places(answer.body)
    }

    /// Fields whose values are credentials: they are compared and never told.
    public static let hidden: Set = ["authentication-info", "set-cookie", "set-cookie2"]

    private func header(_ name: String, _ wanted: String, _ shown: String, _ answer: Answer) -> [String] {
        let present = answer.headers.filter { $0.name.lowercased() == name.lowercased() }.map(\.value)
        if present.contains(wanted) { return [] }
        guard let first = present.first else { return ["there is no header \(name), expected \(shown)"] }
        if Self.hidden.contains(name.lowercased()) { return ["the header \(name) is another, expected \(shown)"] }
        return ["the header \(name) is '\(Self.short(first))', expected \(shown)"]
    }

    /// In time linear in the body, whatever a server writes (Knuth, Morris, Pratt).
    private static func holds(_ body: [UInt8], _ text: String) -> Bool {
        let wanted = Array(text.utf8)
        guard !wanted.isEmpty else { return true }
        var borders = [0]
        var length = 0
        for byte in wanted.dropFirst() {
            while length > 0, wanted[length] != byte { length = borders[length - 1] }
            if wanted[length] == byte { length += 1 }
            borders.append(length)
        }
        var matched = 0
        for byte in body {
            while matched > 0, wanted[matched] != byte { matched = borders[matched - 1] }
            if wanted[matched] == byte { matched += 1 }
            if matched == wanted.count { return true }
        }
        return false
    }

    private func matches(_ expression: GuardExpression, _ body: [UInt8], _ isCanceled: () -> Bool) -> Bool {
        for line in body.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false) {
            let line = line.last == UInt8(ascii: "\r") ? line.dropLast() : line
            if expression.matchesWhole(String(decoding: line, as: UTF8.self), unless: isCanceled) { return true }
            if isCanceled() { return false }
        }
        return false
    }

    private func places(_ body: [UInt8]) -> [String] {
        guard !values.isEmpty else { return [] }
        let root: JSONValue
        do throws(DeployError) {
            root = try JSONValue(text: String(decoding: body, as: UTF8.self))
        } catch {
            return ["the body is not JSON that can be checked: \(error.message)"]
        }
        return values.compactMap { place, wanted in
            let name = place.description.isEmpty ? "the whole" : place.description
            guard let found = place.value(in: root) else {
                return "there is no \(name) in the body, expected \(Self.short(wanted.text))"
            }
            return found.isSame(as: wanted)
                ? nil : "\(name) is \(Self.short(found.text)), expected \(Self.short(wanted.text))"
        }
    }

    private static func short(_ text: String) -> String {
        text.count <= 120 ? text : text.prefix(120) + "..."
    }
}

extension JSONValue {
    /// Whether both say the same: `1` and `1.0` do.
    func isSame(as other: JSONValue) -> Bool {
        switch (self, other) {
        case (.integer(let left), .integer(let right)): left == right
        case (.integer, .number), (.number, .integer), (.number, .number): doubleValue == other.doubleValue
        case (.array(let left), .array(let right)):
            left.count == right.count && zip(left, right).allSatisfy { $0.isSame(as: $1) }
        case (.object(let left), .object(let right)):
            left.count == right.count
                && left.allSatisfy { key, value in right[key].map { value.isSame(as: $0) } ?? false }
        default: self == other
        }
    }
}
