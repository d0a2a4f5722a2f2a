// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import AsyncHTTPClient
import Core
import NIOCore
import NIOHTTP1

extension ElasticsearchWork {
    /// What one page of an export held.
    private struct Page {
        /// Documents, those over the limit included.
        var count = 0
        /// The last one.
        var last: ByteBuffer?
        /// What was around them.
        var frame: JSONNode
    }

    /// The largest document of an export.
    private static let largestHit = 16 << 20

    /// Parameters of a search that belong to the opening of a point in time.
    private static let ofPointInTime: Set<String> = [
        "routing", "preference", "ignore_unavailable", "allow_no_indices", "expand_wildcards",
    ]

    /// Writes every document that a search finds: by `search_after` in a point in time where the server has that, else by
    /// a scroll.
    func export(_ facts: inout [String: JSONValue]) async throws(DeployError) -> String? {
        var rows = RowWriter(context, waits: false)
        rows.begin([])
        let end: Result<String?, DeployError>
        do throws(DeployError) {
            let search = try body()
            if let point = try await openPointInTime() {
                end = .success(try await bySearchAfter(point, search, &rows, &facts))
            } else {
                end = .success(try await byScroll(search, &rows, &facts))
            }
        } catch { end = .failure(error) }
        for item in leftovers.items {
            leftovers.remove(item)
            await client.letGo(of: item)
        }
        if rows.count > rows.shown { rows.stop() }
        rows.end()
        await rows.send()
        facts["hits"] = .integer(rows.shown)
        if rows.count > rows.shown { facts["truncated"] = .bool(true) }
        return try end.get()
    }

    /// The members of the request's body, without what an export sets itself.
    private func body() throws(DeployError) -> [JSONMember] {
        guard !request.bodyIsEmpty else { return [] }
        do {
            guard let members = try JSONText.parse(request.body).members else {
                throw DeployError(.taskFailed, "the body of a search is an object")
            }
            return members.filter { !["size", "from", "search_after", "pit", "track_total_hits"].contains($0.name) }
        } catch let error as JSONTextError {
            throw DeployError(.taskFailed, error.message)
        } catch { throw DeployError(wrapping: error) }
    }

    /// How many documents the next page may have: one more than may be written, so that it is known whether there are more.
    private func size(_ rows: RowWriter) -> JSONNode {
        .number("\(max(1, min(plan.page, plan.limit - rows.shown + 1)))")
    }

    private func isOver(_ page: Page, _ rows: RowWriter) -> Bool { page.count == 0 || rows.count > plan.limit }

    // MARK: Point in time

    private func openPointInTime() async throws(DeployError) -> String? {
        let index = request.segments.dropLast().map { HTTPAddress.encoded($0) }.joined(separator: "/")
        guard !index.isEmpty else { return nil }
        let query = request.query.filter { Self.ofPointInTime.contains($0.name) }
        let response = try await client.send(
            .POST, "/\(index)/_pit", query: query + [("keep_alive", plan.keepAlive)])
        let answer = try await client.whole(response)
        // Servers without points in time take the path for something else.
        guard response.status == .ok, let node = try? JSONText.parse(ArraySlice(answer.readableBytesView)),
            let id = node["id"]?.text
        else {
            let status = response.status.code
            guard status < 500, status != 401, status != 403, status != 429 else {
                throw DeployError(.taskFailed, ElasticsearchFailure.sentence(status: status, answer))
            }
            return nil
        }
        return id
    }

    private func bySearchAfter(
        _ point: String, _ search: [JSONMember], _ rows: inout RowWriter, _ facts: inout [String: JSONValue]
    ) async throws(DeployError) -> String? {
        var point = point
        var after: JSONMember?
        let query = request.query.filter { !Self.ofPointInTime.contains($0.name) }
        leftovers.add(.pointInTime(point))
        while true {
            let body = page(of: search, in: point, size: size(rows), after: after)
            let response = try await client.send(.POST, "/_search", query: query, body: Array(body.compact.utf8))
            let (page, problem) = try await read(response, &rows, &facts)
            guard let page, problem == nil else { return problem }
            if let new = page.frame["pit_id"]?.text, new != point {
                leftovers.add(.pointInTime(new))
                leftovers.remove(.pointInTime(point))
                point = new
            }
            guard !isOver(page, rows), let last = page.last else { return nil }
            after = try Self.searchAfter(last)
        }
    }

    private func page(of search: [JSONMember], in point: String, size: JSONNode, after: JSONMember?) -> JSONNode {
        let pit = JSONNode.object([
            JSONMember(name: "id", value: .string(point)),
            JSONMember(name: "keep_alive", value: .string(plan.keepAlive)),
        ])
        var members = search
        members.append(JSONMember(name: "size", value: size))
        members.append(JSONMember(name: "track_total_hits", value: .bool(false)))
        members.append(JSONMember(name: "pit", value: pit))
        if !isSorted(search) {
            members.append(JSONMember(name: "sort", value: .array([.string("_shard_doc")])))
        }
        if let after { members.append(after) }
        return .object(members)
    }

    private func isSorted(_ search: [JSONMember]) -> Bool {
        search.contains { $0.name == "sort" } || request.parameter("sort") != nil
    }

    /// Where the next page begins: the sort values of a document, as the server wrote them.
    private static func searchAfter(_ hit: ByteBuffer) throws(DeployError) -> JSONMember {
        let values = JSONSplitter.elements(["sort"], of: hit)
        do {
            guard !values.isEmpty, let last = values.last, !last.isEmpty else {
                throw DeployError(.taskFailed, "the server gives no sort values; leave filters of the answer out")
            }
            return JSONMember(
                name: "search_after", value: try JSONText.parse(Array("[\(values.joined(separator: ","))]".utf8)[...]))
        } catch let error as JSONTextError {
            throw DeployError(.taskFailed, "the server's sort values are no JSON: \(error.message)")
        } catch { throw DeployError(wrapping: error) }
    }

    // MARK: Scroll

    private func byScroll(
        _ search: [JSONMember], _ rows: inout RowWriter, _ facts: inout [String: JSONValue]
    ) async throws(DeployError) -> String? {
        var members = search
        members.append(JSONMember(name: "size", value: size(rows)))
        if !isSorted(search) {
            members.append(JSONMember(name: "sort", value: .array([.string("_doc")])))
        }
        var response = try await client.send(
            .POST, request.path, query: request.query + [("scroll", plan.keepAlive)],
            body: Array(JSONNode.object(members).compact.utf8))
        var scroll: String?
        while true {
            let (page, problem) = try await read(response, &rows, &facts)
            if let new = page?.frame["_scroll_id"]?.text, new != scroll {
                leftovers.add(.scroll(new))
                if let scroll { leftovers.remove(.scroll(scroll)) }
                scroll = new
            }
            guard let page, problem == nil, let scroll, !isOver(page, rows) else { return problem }
            let next = JSONNode.object([
                JSONMember(name: "scroll", value: .string(plan.keepAlive)),
                JSONMember(name: "scroll_id", value: .string(scroll)),
            ])
            response = try await client.send(.POST, "/_search/scroll", body: Array(next.compact.utf8))
        }
    }

    // MARK: Pages

    /// Writes the documents of one page as they arrive.
    private func read(
        _ response: HTTPClientResponse, _ rows: inout RowWriter, _ facts: inout [String: JSONValue]
    ) async throws(DeployError) -> (Page?, String?) {
        facts["status"] = .integer(Int64(response.status.code))
        if let problem = try await refusal(response) { return (nil, problem) }
        var splitter = JSONSplitter(["hits", "hits"], elementLimit: Self.largestHit)
        var page = Page(frame: .null)
        var iterator = response.body.makeAsyncIterator()
        while let part = try await client.server.next(&iterator) {
            for hit in splitter.take(part) {
                guard let hit else { return (nil, "a document is over \(Self.largestHit >> 20) MiB") }
                page.count += 1
                page.last = hit
                write(hit, &rows)
            }
            await rows.send()
        }
        guard let frame = splitter.frameNode else { return (nil, "the answer to a search is no JSON of its kind") }
        page.frame = frame
        return (page, ElasticsearchFailure.sentence(of: frame))
    }

    private func write(_ hit: ByteBuffer, _ rows: inout RowWriter) {
        let isOneLine = !hit.readableBytesView.contains(0x0A)
        guard plan.isForPeople || !isOneLine else {
            hit.withUnsafeReadableBytes { _ = rows.row(json: $0) }
            return
        }
        var layout = JSONLayout(plan.isForPeople ? .indented : .line)
        var text = ByteBuffer()
        layout.take(hit, into: &text)
        text.withUnsafeReadableBytes { _ = rows.row(json: $0) }
    }
}
