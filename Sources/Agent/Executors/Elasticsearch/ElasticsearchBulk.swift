// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import AsyncHTTPClient
import Core
import NIOCore
import NIOHTTP1

extension ElasticsearchWork {
    /// What came of the items of a bulk request.
    struct BulkTally {
        /// Items by what the server says it did: created, updated, deleted, noop.
        var results: [String: Int64] = [:]
        /// Items that failed, by their number; the first is 1.
        var errors: [(number: Int, reason: String)] = []
        /// Items that the server was too busy for, by their place in the request.
        var refused: [Int] = []

        /// Takes the end of one item.
        mutating func take(_ node: JSONNode, number: Int, place: Int, mayRetry: Bool) {
            let item = node.members?.first?.value ?? .null
            let status = item["status"]?.whole ?? 0
            if status == 429, mayRetry { return refused.append(place) }
            guard (200..<300).contains(status) else {
                let reason = item["error"].map { ElasticsearchFailure.reason($0) }
                let name = [item["_index"]?.text, item["_id"]?.text].compactMap { $0 }.joined(separator: "/")
                let what = reason ?? (item["result"]?.text ?? "no reason given")
                return errors.append((number, "\(name.isEmpty ? "" : "\(name): ")\(status) \(what)"))
            }
            results[item["result"]?.text ?? "done", default: 0] += 1
        }

        /// All of it in a line for people.
        func summary(of count: Int) -> String {
            let parts = results.sorted { $0.key < $1.key }.map { "\($0.value) \($0.key)" }
            return "\(count) items: "
                + (parts + (errors.isEmpty ? [] : ["\(errors.count) failed"])).joined(separator: ", ")
        }
    }

    /// Sends the items; those that the server was too busy for are sent again, alone.
    func bulk(_ facts: inout [String: JSONValue]) async throws(DeployError) -> String? {
        let items = try request.bulkItems()
        var tally = BulkTally()
        var waiting = Array(items.indices)
        var tries: Int64 = 0
        while !waiting.isEmpty {
            let body = waiting.flatMap { place in Array(items[place].lines.joined(separator: [0x0A])) + [0x0A] }
            tally.refused = []
            if let problem = try await send(body, of: waiting, &tally, mayRetry: client.mayRetry(tries), &facts) {
                return problem
            }
            waiting = tally.refused
            if !waiting.isEmpty { try await client.pause(tries) }
            tries += 1
        }
        facts["items"] = .integer(Int64(items.count))
        facts["failed"] = .integer(Int64(tally.errors.count))
        for (name, count) in tally.results { facts[name] = .integer(count) }
        if plan.isForPeople { await output.line(tally.summary(of: items.count)) }
        tally.errors.sort { $0.number < $1.number }
        let lines = tally.errors.map { "item \($0.number): \($0.reason)" }
        await list(lines)
        return lines.first.map { "\(lines.count) of \(items.count) items failed, first \($0)" }
    }

    private func send(
        _ body: [UInt8], of places: [Int], _ tally: inout BulkTally, mayRetry: Bool,
        _ facts: inout [String: JSONValue]
    ) async throws(DeployError) -> String? {
        let response = try await client.send(
            request.httpMethod, request.path, query: request.query, body: body, isLines: true)
        facts["status"] = .integer(Int64(response.status.code))
        if let problem = try await refusal(response) { return problem }
        var splitter = JSONSplitter(["items"], elementLimit: Self.largestItem)
        var iterator = response.body.makeAsyncIterator()
        while let part = try await client.server.next(&iterator) {
            let first = splitter.count
            var text = ByteBuffer()
            for (index, element) in splitter.take(part).enumerated() where first + index < places.count {
                let place = places[first + index]
                let node = element.flatMap { try? JSONText.parse(ArraySlice($0.readableBytesView)) }
                let before = tally.refused.count
                tally.take(node ?? .null, number: place + 1, place: place, mayRetry: mayRetry)
                guard !plan.isForPeople, tally.refused.count == before, let element else { continue }
                var layout = JSONLayout(.line)
                layout.take(element, into: &text)
                text.writeString("\n")
            }
            await output.send(text)
        }
        // Fewer ends than items, as with filter_path: nobody knows whether all went well.
        guard splitter.count == places.count else {
            return "the answer tells of \(splitter.count) of \(places.count) items; leave filter_path out"
        }
        return nil
    }
}
