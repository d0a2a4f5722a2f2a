// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// A part of the audit: the newest records that match a query, and more as the cursor goes down.
struct AuditState: Equatable, Sendable {
    /// Records asked for at once.
    static let page = 100
    /// Records kept; who wants more narrows the query.
    static let limit = 5000

    private(set) var items: [AuditRecord] = []
    var list = ListState()
    var isKnown = false
    var failure: String?
    /// What was asked for, as typed.
    var filter = ""
    private(set) var query = AuditState.firstPage
    private var next: String?
    private var loading = false
    /// The record whose page is open, and how far it is scrolled.
    var open: Int64?
    var offset = 0

    private static var firstPage: AuditQuery {
        var query = AuditQuery()
        query.limit = page
        return query
    }

    var selected: AuditRecord? { items.indices.contains(list.cursor) ? items[list.cursor] : nil }
    var opened: AuditRecord? { items.first { $0.seq == open } }
    /// There are older records that match.
    var hasMore: Bool { next != nil }

    /// Starts anew with what is typed; throws `invalid_argument` when it cannot be understood.
    mutating func search(_ text: String, now: Timestamp) throws(DeployError) -> AuditQuery {
        let query = try Self.query(text, now: now)
        filter = text
        self.query = query
        items = []
        next = nil
        isKnown = false
        failure = nil
        list = ListState()
        return reload()
    }

    /// The newest records again.
    mutating func reload() -> AuditQuery {
        loading = true
        return query
    }

    /// The query for the next page, when the cursor comes near the end.
    mutating func more() -> AuditQuery? {
        guard !loading, let next, list.cursor + 10 >= items.count, items.count < Self.limit else { return nil }
        loading = true
        var query = query
        query.cursor = next
        return query
    }

    mutating func take(_ query: AuditQuery, _ records: [AuditRecord], next: String?) {
        var first = query
        first.cursor = nil
        guard first == self.query, query.cursor == nil || query.cursor == self.next else { return }
        loading = false
        isKnown = true
        failure = nil
        self.next = next
        guard query.cursor == nil else {
            items += records
            return
        }
        // The cursor stays on its record, or on the first row, where the new ones come.
        let kept = list.cursor == 0 ? nil : selected?.seq
        items = records
        if let kept, let row = items.firstIndex(where: { $0.seq == kept }) { list.cursor = row }
    }

    mutating func fail(_ error: DeployError) {
        loading = false
        failure = error.message
    }

    /// `actor=ada action=run verdict=deny agent=web-1 task=ID since=2h until=2026-11-24T10:00:00Z`, all optional;
    /// `deny` and `allow` alone are verdicts.
    static func query(_ text: String, now: Timestamp) throws(DeployError) -> AuditQuery {
        var query = firstPage
        for word in text.split(separator: " ").map(String.init) {
            if word == "deny" || word == "allow" {
                query.verdict = word
                continue
            }
            guard let sign = word.firstIndex(of: "="), sign != word.startIndex, word.index(after: sign) < word.endIndex
            else { throw unknown(word) }
            let value = String(word[word.index(after: sign)...])
            switch word[..<sign] {
            case "actor": query.actor = value
            case "action": query.action = value
            case "agent": query.agent = value
            case "task": query.task = value
            case "verdict": query.verdict = value
            case "since": query.since = try moment(value, now)
            case "until": query.until = try moment(value, now)
            default: throw unknown(word)
            }
        }
        return query
    }

    private static func unknown(_ word: String) -> DeployError {
        DeployError(
            .invalidArgument, "'\(word)' is no filter",
            hint: "actor= action= agent= task= verdict=deny since=2h until=TIME")
    }

    private static func moment(_ text: String, _ now: Timestamp) throws(DeployError) -> Timestamp {
        if let time = Timestamp(text) { return time }
        guard let seconds = try? TimeSpan.seconds(text), seconds < 3_153_600_000 else {
            throw DeployError(.invalidArgument, "'\(text)' is neither a time nor a span such as 2h")
        }
        return now.adding(milliseconds: -Int64(seconds * 1000))
    }
}
