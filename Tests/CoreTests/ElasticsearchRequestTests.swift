// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Testing

@Suite struct `Requests to Elasticsearch` {
    @Test func `are read in parts`() throws {
        let request = try ElasticsearchRequest.parse(
            "post //a%2Fb,c*/_update_by_query?q=x%20y+z&refresh\n{\"script\": {}}\n")
        #expect(request.method == "POST" && request.segments == ["a/b,c*", "_update_by_query"])
        #expect(request.query.map(\.name) == ["q", "refresh"] && request.query.map(\.value) == ["x y z", ""])
        #expect(request.call == "_update_by_query" && request.index == "a/b,c*" && !request.isLines)
        #expect(String(decoding: request.body, as: UTF8.self) == "{\"script\": {}}\n")
        #expect(try ElasticsearchRequest.parse("GET /_all/_search").index == "_all")
        #expect(try ElasticsearchRequest.parse("GET /_cat/indices").index == nil)
        #expect(try ElasticsearchRequest.parse("DELETE /a").call.isEmpty)
    }

    @Test func `may have their body in the path, which then is a body and nothing else`() throws {
        let request = try ElasticsearchRequest.parse(
            "GET /a/_search?source=%7B%7D&source_content_type=application/json&size=1")
        #expect(String(decoding: request.body, as: UTF8.self) == "{}" && request.query.map(\.name) == ["size"])
    }

    @Test(arguments: [
        ("GET", "the first line is not"), ("GET /a?x=1&x=2", "the parameter x is given twice"),
        ("FETCH /a", "an unknown method"), ("GET /a%25b", "a percent sign"), ("GET /a/../b", "a path with"),
        ("GET /a?source=%7B%7D\n{}", "a body and a parameter source"), ("GET http://b/", "an address"),
    ])
    func `that cannot be read are refused, by the guard too`(text: String, message: String) {
        let error = #expect(throws: DeployError.self) { try ElasticsearchRequest.parse(text) }
        #expect(error?.message.hasPrefix(message) == true, "\(error?.message ?? "")")
        #expect(StatementGuard.judge(text, type: .elasticsearch, mode: .audit).rule == "es.syntax")
    }

    @Test func `of many items are cut where the guard cuts them`() throws {
        let request = try ElasticsearchRequest.parse(
            """
            POST /_bulk
            {"index": {"_id": 1}}
            {"a": 1}

            {"delete": {"_id": 2}}\r
            {"update": {}}
            {"doc": {}}
            """)
        let items = try request.bulkItems()
        #expect(items.map(\.kind) == ["index", "delete", "update"] && items.map(\.lines.count) == [2, 1, 2])
        #expect(String(decoding: items[2].lines[1], as: UTF8.self) == "{\"doc\": {}}")
        #expect(
            StatementGuard.judge(request.method + " /_bulk\n{\"delete\":{}}", type: .elasticsearch, mode: .audit).rule
                == "es.bulk-delete")
        for text in ["{\"index\": {}}", "{\"fetch\": {}}", "{\"index\": {}, \"delete\": {}}", "{\"index\":"] {
            #expect(throws: DeployError.self) { try ElasticsearchRequest.parse("POST /_bulk\n\(text)").bulkItems() }
        }
    }
}
