// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

/// Some HTTP statuses: `200`, `2xx` or `200-204`.
public struct StatusRange: Sendable, Hashable, CustomStringConvertible {
    /// As it was written.
    public let description: String
    private let range: ClosedRange<Int>

    /// Throws `invalid_argument` for anything else.
    public init(_ text: String) throws(DeployError) {
        description = text
        let parts = text.split(separator: "-", omittingEmptySubsequences: false)
        let numbers = parts.compactMap(Self.status)
        if text.utf8.count == 3, text.lowercased().hasSuffix("xx"), let digit = text.first?.wholeNumberValue,
            (1...5).contains(digit), text.first?.isASCII == true
        {
            range = digit * 100...digit * 100 + 99
        } else if numbers.count == parts.count, let first = numbers.first, let last = numbers.last, numbers.count <= 2,
            first <= last
        {
            range = first...last
        } else {
            throw DeployError(
                .invalidArgument, "params.expect_status has '\(text.prefix(32))', which is no status",
                hint: "write 200, 2xx or 200-204")
        }
    }

    /// Whether a status is one of them.
    public func contains(_ status: Int) -> Bool { range.contains(status) }

    private static func status(_ text: Substring) -> Int? {
        guard text.utf8.count == 3, text.utf8.allSatisfy({ (48...57).contains($0) }) else { return nil }
        return Int(text).flatMap { (100...599).contains($0) ? $0 : nil }
    }
}
