// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Testing

@testable import Agent

@Suite struct `Addresses of servers` {
    @Test(arguments: [
        ("http://db:8123", "http://db:8123", false), ("https://[::1]:9200/es/", "https://[::1]:9200/es", true),
        ("HTTPS://search.example", "HTTPS://search.example", true),
    ])
    func `are taken`(text: String, address: String, isSecure: Bool) throws {
        let read = try #require(HTTPAddress(text))
        #expect(read.text == address && read.isSecure == isSecure)
    }

    @Test(arguments: [
        "db:8123", "ftp://db", "http://", "http://u:p@db", "http://u@db", "http://db?x=1", "http://db#x", "http://a b",
        "http://db:0", "http://db:99999", "https://天工", "",
    ])
    func `with an account or something else in them are not`(text: String) {
        #expect(HTTPAddress(text) == nil)
    }

    @Test func `get queries in which nothing has a meaning of its own`() {
        #expect(
            HTTPAddress.query([("a", "1&b=2;+ /天"), ("c", "")], after: "/x") == "?a=1%26b%3D2%3B%2B%20%2F%E5%A4%A9&c=")
        #expect(HTTPAddress.query([("a", "b")], after: "/x?y=z") == "&a=b")
        #expect(HTTPAddress.query([], after: "/").isEmpty)
    }
}

@Suite struct `Datasources of an executor` {
    private func read(_ yaml: String) throws -> Datasources<String> {
        let entry = try #require(
            try ExecutorSettings(yaml: "executors: {clickhouse: \(yaml)}").executors.first { $0.type == "clickhouse" })
        var node = entry.node
        let sources = try Datasources(&node) { node throws(DeployError) in try HTTPDatasource(&node).url }
        try node.finish()
        return sources
    }

    @Test func `are chosen by name, or as the only one`() throws {
        let one = try read("{datasources: {main: {url: 'http://a:1/'}}}")
        #expect(try one.chosen(nil) == "http://a:1" && one.chosen("main") == "http://a:1" && one.names == ["main"])
        let two = try read("{datasources: {main: {url: 'http://a'}, old: {url: 'http://b'}}}")
        #expect(try two.chosen("old") == "http://b")
        let none = #expect(throws: DeployError.self) { try two.chosen(nil) }
        let other = #expect(throws: DeployError.self) { try one.chosen("x") }
        #expect(none?.hint == "there are main, old" && other?.hint == "there is main")
    }

    @Test(arguments: [
        ("{}", "executors.clickhouse.datasources names no connection"),
        ("{datasources: {a: {}}}", "executors.clickhouse.datasources.a.url is missing"),
        ("{datasources: {a: {url: 'http://u:hunter2@b'}}}", "executors.clickhouse.datasources.a.url is not http"),
        ("{datasources: {a: {url: 'http://b', pasword: x}}}", "executors.clickhouse.datasources.a.pasword is not a"),
        ("{datasources: {a: {url: 'http://b', password: {secret_ref: x}}}}", "executors.clickhouse.datasources.a.user"),
        ("{datasources: {a: {url: 'http://b', user: 'a:b'}}}", "executors.clickhouse.datasources.a.user contains"),
        ("{datasources: {a: {url: 'http://b', ca-file: /x}}}", "executors.clickhouse.datasources.a.ca-file is of no"),
        ("{datasources: {a: {url: 'http://b', connect-timeout: 0}}}", "executors.clickhouse.datasources.a.connect-"),
        ("{datasources: {a: {url: 'https://b', ca-file: x}}}", "executors.clickhouse.datasources.a.ca-file is not an"),
    ])
    func `that are wrong are named, and no password is repeated`(yaml: String, message: String) {
        let error = #expect(throws: DeployError.self) { try read(yaml) }
        #expect(error?.message.hasPrefix(message) == true, "\(error?.message ?? "")")
        #expect(error?.message.contains("hunter2") == false)
    }
}

@Suite struct `Work that is stopped in good order` {
    @Test func `gives its result`() async throws {
        let value = try await OrderlyStop.run(grace: { .seconds(9) }, ask: {}) { () async throws(DeployError) -> Int in
            7
        }
        #expect(value == 7)
    }

    @Test func `is asked first and may answer`() async throws {
        let asked = OneShot<Bool>()
        let task = Task {
            try await OrderlyStop.run(grace: { .seconds(60) }, ask: { asked.fulfil(true) }) {
                () async throws(DeployError) -> String in
                await asked.value ? "asked, canceled: \(Task.isCancelled)" : ""
            }
        }
        task.cancel()
        #expect(try await task.value == "asked, canceled: false")
    }

    @Test func `is let go of when the server does not listen`() async throws {
        let task = Task {
            try await OrderlyStop.run(grace: { .zero }, ask: { try? await Task.sleep(for: .seconds(600)) }) {
                () async throws(DeployError) -> Bool in
                (try? await Task.sleep(for: .seconds(600))) != nil
            }
        }
        task.cancel()
        #expect(try await task.value == false)
    }
}
