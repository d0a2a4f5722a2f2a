// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import CMongo
import Core
import Synchronization
import Testing

@testable import Agent

@Suite struct `Datasources of MongoDB` {
    private func read(_ yaml: String) throws -> MongoDatasource {
        let settings = try ExecutorSettings(yaml: "executors: {mongo: {datasources: {a: \(yaml)}}}")
        var node = try #require(settings.executors.first { $0.type == "mongo" }).node
        let sources = try Datasources(&node) { node throws(DeployError) in try MongoDatasource(&node) }
        try node.finish()
        return try sources.chosen(nil)
    }

    @Test func `are read`() throws {
        let hosts = try read("{hosts: ['a:1', b], database: shop}")
        #expect(hosts.uri == "mongodb://a:1,b/" && hosts.database == "shop" && !hosts.tls && hosts.user == nil)
        let uri = try read("{uri: 'mongodb://a/shop?replicaSet=r', ca-file: /x, user: u, password: {secret_ref: p}}")
        #expect(uri.database == "shop" && uri.tls && uri.user == "u" && uri.password?.name == "p")
        // A URI names the database of the account this way; tasks must not end up there unseen.
        #expect(try read("{uri: 'mongodb://a/admin?tls=true'}").database == nil)
        #expect(try read("{hosts: a, tls: verify}").tls && !read("{hosts: a, tls: 'off'}").tls)
    }

    @Test(arguments: [
        ("{}", "uri is missing"), ("{uri: 'mongodb://a/', hosts: [b]}", "hosts stands beside uri"),
        ("{uri: 'mongodb://u:hunter2@a/'}", "uri is not mongodb://"), ("{uri: 'mongodb+srv://a/'}", "uri is not"),
        ("{hosts: ['u:hunter2@a']}", "hosts is not"), ("{uri: 'mongodb://a:99999/'}", "uri cannot be used"),
        ("{uri: 'mongodb://a/?w=1'}", "uri has the option w,"), ("{uri: 'mongodb://a/?tlsInsecure=true'}", "uri has"),
        ("{hosts: a, user: u}", "password is missing"), ("{hosts: a, password: {secret_ref: p}}", "user is missing"),
        ("{hosts: a, password: hunter2}", "password is not {secret_ref"), ("{hosts: a, auth-source: x}", "auth-source"),
        ("{hosts: a, database: admin}", "database is the server's own"), ("{hosts: a, tls: maybe}", "tls is none of"),
        ("{hosts: a, tls: 'off', ca-file: /x}", "tls is off beside a ca-file"), ("{hosts: a, port: 1}", "port is not"),
        ("{uri: 'mongodb://a/?tls=true', tls: 'off'}", "tls is off beside tls=true"),
        ("{hosts: a, connect-timeout: 0}", "connect-timeout is not"), ("{hosts: a, idle-timeout: 2d}", "idle-timeout"),
    ])
    func `that are wrong are named, and no password is repeated`(yaml: String, message: String) {
        let error = #expect(throws: DeployError.self) { try read(yaml) }
        #expect(
            error?.message.hasPrefix("executors.mongo.datasources.a.\(message)") == true, "\(error?.message ?? "")")
        #expect("\(error?.message ?? "")\(error?.hint ?? "")".contains("hunter2") == false)
    }
}

@Suite struct `BSON` {
    private func cells(_ json: String) throws -> [String] {
        let document = try BSONDocument(json: json)
        let fields = BSONFields(document.pointer)
        var cells: [String] = []
        while fields.next() {
            cells.append(
                fields.cell(canonical: false) { bytes, kind in
                    "\(bytes.map { String(decoding: $0, as: UTF8.self) } ?? "nil") \(kind)"
                })
        }
        return cells
    }

    @Test func `is shown in cells by its types`() throws {
        #expect(
            try cells(
                #"{"a": 1, "b": {"$numberLong": "-5"}, "c": 1.5, "d": {"$numberDecimal": "1.10"}, "e": true, "f": null}"#
            )
                == ["1 number", "-5 number", "1.5 number", "1.10 decimal", "true boolean", "nil text"])
        #expect(
            try cells(
                """
                {"a": {"$oid": "65f0a1b2c3d4e5f601020304"}, "b": {"$date": "2026-11-27T08:30:00.125Z"},
                 "c": {"$uuid": "00112233-4455-6677-8899-aabbccddeeff"}, "d": "天", "e": [1, {"x": []}], "f": {"g": 2},
                 "h": {"$date": {"$numberLong": "9223372036854775807"}}, "i": {"$minKey": 1}}
                """) == [
                    "65f0a1b2c3d4e5f601020304 text", "2026-11-27T08:30:00.125Z text",
                    "00112233-4455-6677-8899-aabbccddeeff text", "天 text", #"[ 1, { "x" : [  ] } ] json"#,
                    #"{ "g" : 2 } json"#, "9223372036854775807 ms text", #"{ "$minKey" : 1 } json"#,
                ])
    }

    @Test func `numbers are read whatever their type, and nothing traps`() throws {
        let document = try BSONDocument(
            json:
                #"{"a": 1.0, "b": {"$numberDouble": "NaN"}, "c": 1e300, "d": true, "e": "7", "f": {"$numberLong": "8"}}"#
        )
        #expect(["a", "b", "c", "d", "e", "f", "g"].map { document.integer($0) } == [1, nil, nil, 1, nil, 8, nil])
    }

    @Test func `with a text that is not UTF-8 is written as bytes`() throws {
        // {"a": "\xff"}
        let bytes: [UInt8] = [14, 0, 0, 0, 2, 0x61, 0, 2, 0, 0, 0, 0xFF, 0, 0]
        let document = try #require(bytes.withUnsafeBufferPointer { BSONDocument(data: $0) })
        #expect(document.json(canonical: false) == #"{"$bson":{"base64":"DgAAAAJhAAIAAAD/AAA="}}"#)
        #expect([UInt8](repeating: 9, count: 4).withUnsafeBufferPointer { BSONDocument(data: $0) } == nil)
    }
}

@Suite struct `What came of commands` {
    @Test func `is added up`() throws {
        var tally = MongoTally()
        func take(_ name: String, _ reply: String) throws -> String? {
            tally.take(try BSONDocument(json: reply), of: name)
        }
        #expect(try take("insert", #"{"n": 2}"#) == "inserted 2")
        #expect(
            try take("update", #"{"n": 3, "nModified": 1, "upserted": [{"index": 0, "_id": 1}]}"#)
                == "matched 2, modified 1, upserted 1")
        #expect(
            try take("findAndModify", #"{"lastErrorObject": {"n": 1, "updatedExisting": false, "upserted": 5}}"#) == nil
        )
        #expect(try take("findAndModify", #"{"lastErrorObject": {"n": 1}}"#) == nil)
        #expect(try take("find", #"{"n": 100}"#) == nil)
        // What no server says does not trap either.
        #expect(try take("delete", #"{"n": -5}"#) == "deleted 0")
        _ = try take("insert", #"{"n": {"$numberLong": "9223372036854775807"}}"#)
        #expect(tally.facts["matched"] == .integer(2) && tally.facts["upserted"] == .integer(2))
        #expect(tally.facts["deleted"] == .integer(1))
    }

    @Test(
        arguments: [
            (#"{"ok": 1, "n": 3}"#, nil), (#"{"writeErrors": []}"#, nil),
            (
                #"{"writeErrors": [{"index": 4, "code": 11000, "errmsg": "E11000"}, {"index": 5, "code": 2, "errmsg": "x"}]}"#,
                "2 items failed, first item 5: 11000: E11000"
            ),
            (
                #"{"nErrors": 1, "cursor": {"firstBatch": [{"ok": 1, "idx": 0}, {"ok": 0, "idx": 1, "code": 7, "errmsg": "y"}]}}"#,
                "1 item failed, first item 2: 7: y"
            ),
            (
                #"{"writeConcernError": {"code": 64, "codeName": "WriteConcernFailed", "errmsg": "late"}}"#,
                "write concern: 64 WriteConcernFailed: late"
            ),
        ] as [(String, String?)])
    func `went wrong although the server says that it is done`(reply: String, sentence: String?) throws {
        #expect(MongoProblems(try BSONDocument(json: reply)).sentence == sentence)
    }
}
