// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// Lists that come in pages.
enum Pages {
    /// The first `limit` items, all when nil. Throws what `page` throws, `protocol_error` for a cursor that stands still.
    static func all<Item: Codable & Sendable>(
        limit: Int? = nil, _ page: (_ cursor: String?) async throws(DeployError) -> Page<Item>
    ) async throws(DeployError) -> [Item] {
        var items: [Item] = []
        var cursor: String?
        repeat {
            let next = try await page(cursor)
            guard next.next == nil || next.next != cursor else {
                throw DeployError(.protocolError, "the server repeats a page")
            }
            items += next.items
            cursor = next.next
        } while cursor != nil && items.count < limit ?? .max
        return limit.map { Array(items.prefix($0)) } ?? items
    }
}
