// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import NIOCore
import Testing

@testable import Agent

@Suite struct `JSON taken apart` {
    private static let text =
        #"{"took":1, "hits":{"total":{"hits":[9]},"hits":[ {"_id":"1","s":"a,]}\"" } ,{"hits":[{}]},7 , "x" , [1,[2]],null ]},"id":"z"}"#

    @Test(arguments: [1, 2, 3, 5, 1000]) func `gives the elements and the frame, wherever it is cut`(length: Int) {
        var splitter = JSONSplitter(["hits", "hits"], elementLimit: 100)
        var elements: [String?] = []
        let bytes = Array(Self.text.utf8)
        for start in stride(from: 0, to: bytes.count, by: length) {
            elements += splitter.take(ByteBuffer(bytes: bytes[start..<min(start + length, bytes.count)])).map {
                $0.map { String(buffer: $0) }
            }
        }
        #expect(
            elements == [#"{"_id":"1","s":"a,]}\"" }"#, #"{"hits":[{}]}"#, "7", #""x""#, "[1,[2]]", "null"]
                && splitter.count == 6)
        #expect(String(buffer: splitter.frame) == #"{"took":1, "hits":{"total":{"hits":[9]},"hits":[]},"id":"z"}"#)
        #expect(splitter.frameNode?["id"]?.text == "z")
    }

    @Test func `leaves out what is too large, and counts it`() {
        var splitter = JSONSplitter(["a"], elementLimit: 4, frameLimit: 12)
        let elements = splitter.take(ByteBuffer(string: #"{"a":[1,"too long",{}],"b":"and more"}"#))
        #expect(elements.map { $0.map { String(buffer: $0) } } == ["1", nil, "{}"] && splitter.count == 3)
        #expect(splitter.isFrameCut && splitter.frameNode == nil && splitter.frame.readableBytes == 12)
    }

    @Test func `finds no array where there is none, and does not break on nonsense`() {
        for text in [#"{"a":{"a":[1]}}"#, #"[{"a":[1]}]"#, #"{"b":[1]}"#, "]]}},,", #"{"a":1,"b":[2]}"#] {
            var splitter = JSONSplitter(["a"], elementLimit: 9)
            #expect(splitter.take(ByteBuffer(string: text)).isEmpty, "\(text)")
        }
        #expect(
            JSONSplitter.elements(
                ["sort"], of: ByteBuffer(string: #"{"x":{"sort":[1]},"sort":[18446744073709551615,"b"]}"#))
                == ["18446744073709551615", "\"b\""])
    }
}

@Suite struct `Failures of Elasticsearch` {
    private func node(_ text: String) throws -> JSONNode { try JSONText.parse(Array(text.utf8)[...]) }

    @Test(arguments: [
        (#"{"error":{"root_cause":[{"type":"a","reason":"b"}],"type":"a","reason":"b"},"status":404}"#, "404 a: b"),
        (
            #"{"error":{"root_cause":[{"type":"a","reason":"b"}],"type":"outer","reason":"all shards failed"}}"#,
            "404 a: b (in outer)"
        ),
        (
            #"{"error":{"root_cause":[],"type":"o","reason":"r","caused_by":{"type":"i","reason":"q"}}}"#,
            "404 i: q (in o)"
        ),
        (#"{"error":"no handler found"}"#, "404 no handler found"),
        (#"{"found":false}"#, #"HTTP 404: {"found":false}"#),
        ("<html>\n  Bad", "HTTP 404: <html> Bad"), ("", "HTTP 404"),
    ])
    func `are told in a sentence`(body: String, sentence: String) {
        #expect(ElasticsearchFailure.sentence(status: 404, ByteBuffer(string: body)) == sentence)
    }

    @Test(
        arguments: [
            (#"{"took":1,"timed_out":false,"_shards":{"failed":0}}"#, nil), (#"{"acknowledged":true}"#, nil),
            (#"{"failures":[]}"#, nil), (#"{"_shards":{"total":5,"failed":1e300}}"#, "1e+300 of 5 shards failed"),
            (
                #"{"_shards":{"total":5,"failed":2,"failures":[{"reason":{"type":"a","reason":"b"}}]}}"#,
                "2 of 5 shards failed: a: b"
            ),
        ] as [(String, String?)])
    func `behind a success are found`(answer: String, sentence: String?) throws {
        #expect(ElasticsearchFailure.sentence(of: try node(answer)) == sentence)
    }

    @Test func `of items are told from what may be tried again`() throws {
        var tally = ElasticsearchWork.BulkTally()
        let answers = [
            #"{"index":{"status":201,"result":"created"}}"#, #"{"index":{"status":429,"error":{"type":"busy"}}}"#,
            #"{"create":{"_index":"a","_id":"1","status":409,"error":{"type":"x","reason":"y"}}}"#, "{}",
        ]
        for (place, answer) in answers.enumerated() {
            tally.take(try node(answer), number: place + 1, place: place, mayRetry: true)
        }
        #expect(tally.refused == [1] && tally.errors.map(\.number) == [3, 4] && tally.results == ["created": 1])
        #expect(tally.errors[0].reason == "a/1: 409 x: y" && tally.summary(of: 4) == "4 items: 1 created, 2 failed")
        tally.take(try node(answers[1]), number: 2, place: 1, mayRetry: false)
        #expect(tally.errors.last?.reason == "429 busy: no reason given")
    }
}

@Suite struct `Work at Elasticsearch` {
    private func plan(_ text: String, _ params: [String: JSONValue] = [:]) throws -> ElasticsearchPlan {
        let spec = TaskSpec(type: "elasticsearch", command: text, params: params)
        return try ElasticsearchPlan(
            try ElasticsearchRequest.parse(text), try TaskParameters(spec, TaskType.elasticsearch.schema))
    }

    @Test func `is planned by its request`() throws {
        #expect(try plan("GET /a/_search").kind == .plain && plan("POST /a/_bulk").kind == .bulk)
        #expect(try plan("POST /a/_delete_by_query?wait_for_completion=false").kind == .background)
        #expect(try plan("POST /a/_delete_by_query").kind == .plain)
        let export = try plan("POST /a/_search?q=x", ["export": .bool(true), "keep_alive": .number(1.5)])
        #expect(export.kind == .export && export.keepAlive == "2s" && export.page == 1000 && export.isForPeople)
        for text in ["GET /a/_count", "GET /_search/scroll", "GET /a/_search?size=1", "GET /a/_search?filter_path=x"] {
            #expect(#expect(throws: DeployError.self) { try plan(text, ["export": .bool(true)]) }?.code == .startFailed)
        }
    }

    @Test func `is found among the tasks of a server by its mark alone`() throws {
        let list = try JSONText.parse(
            Array(
                """
                {"tasks": [
                  {"node": "n", "id": 1, "cancellable": true, "headers": {"X-Opaque-Id": "t"}},
                  {"node": "n", "id": 2, "cancellable": true, "headers": {"X-Opaque-Id": "t"}, "parent_task_id": "n:1"},
                  {"node": "n", "id": 3, "cancellable": false, "headers": {"X-Opaque-Id": "t"}},
                  {"node": "n", "id": 4, "cancellable": true, "headers": {"X-Opaque-Id": "other"}},
                  {"node": "n", "id": 5, "cancellable": true, "headers": {}}]}
                """.utf8)[...])
        #expect(ElasticsearchStopper.ids(list, marker: "t") == ["n:1"])
    }

    @Test(arguments: [
        ("{}", "url is missing"), ("{url: 'http://a', urls: ['http://b']}", "urls stands beside url"),
        ("{urls: []}", "url is missing"), ("{urls: ['http://a', 'ftp://b']}", "url is not http"),
        ("{url: 'http://a', api-key: x}", "api-key is not {secret_ref"),
        ("{url: 'http://a', idle-timeout: 0}", "idle-timeout"),
        ("{url: 'http://a', api-key: {secret_ref: x}, user: u}", "api-key stands beside user"),
    ])
    func `has settings, and what is wrong in them is named`(yaml: String, message: String) throws {
        let settings = try ExecutorSettings(yaml: "executors: {elasticsearch: {datasources: {a: \(yaml)}}}")
        var node = try #require(settings.executors.first { $0.type == "elasticsearch" }).node
        let error = #expect(throws: DeployError.self) {
            try Datasources(&node) { node throws(DeployError) in try ElasticsearchDatasource(&node) }
        }
        #expect(
            error?.message.hasPrefix("executors.elasticsearch.datasources.a.\(message)") == true,
            "\(error?.message ?? "")")
    }
}
