// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

extension JSONValue {
    /// Reads a JSON text within ``JSONLimits``; throws `invalid_argument` or `too_large`.
    public init(text: String) throws(DeployError) { try self.init(bytes: Array(text.utf8)) }

    /// The same from bytes.
    public init(bytes: [UInt8]) throws(DeployError) {
        try JSONLimits.check(bytes)
        do {
            self = try JSONDecoder().decode(JSONValue.self, from: Data(bytes))
        } catch {
            throw DeployError(wrapping: error)
        }
    }

    /// The value on one line, keys sorted.
    public var text: String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return (try? encoder.encode(self)).map { String(decoding: $0, as: UTF8.self) } ?? "null"
    }

    /// The number as a double, if this is one.
    public var doubleValue: Double? {
        switch self {
        case .integer(let value): Double(value)
        case .number(let value): value
        default: nil
        }
    }

    /// The whole number, if this is one.
    public var integerValue: Int64? { if case .integer(let value) = self { value } else { nil } }
    /// The flag, if this is one.
    public var boolValue: Bool? { if case .bool(let value) = self { value } else { nil } }
}
