// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Foundation
import Testing

@testable import TUI

@Suite struct ClientContextTests {
    private static func temporary() -> String {
        NSTemporaryDirectory() + "tiangong-contexts-\(UUID().uuidString)"
    }

    private static func mode(_ path: String) throws -> Int {
        try #require(try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int)
    }

    @Test func theStoreIsPrivateAndRefusedWhenItIsNot() throws {
        let directory = Self.temporary()
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let store = ContextStore(directory: directory)
        #expect(try store.load() == ContextFile())
        let file = ContextFile(
            current: "prod",
            contexts: ["prod": StoredContext(server: "https://h:8443", fingerprint: "ab", token: "secret")])
        try store.save(file)
        #expect(try store.load() == file)
        #expect(try Self.mode(store.path) == 0o600)
        #expect(try Self.mode(directory) == 0o700)
        for lax in [0o640, 0o604, 0o622] {
            try FileManager.default.setAttributes([.posixPermissions: lax], ofItemAtPath: store.path)
            let error = #expect(throws: DeployError.self) { try store.load() }
            #expect(error?.code == .forbidden)
        }
    }

    @Test(arguments: [
        "", "[]", "{", #"{"contexts":{"../x":{"server":"h"}}}"#,
        #"{"contexts":{"x":{"server":"h","ca_file":"../../etc/shadow"}}}"#,
        #"{"contexts":{"x":{}}}"#, String(repeating: "[", count: 100_000),
    ])
    func aDamagedStoreIsAnErrorAndNotACrash(_ text: String) throws {
        let directory = Self.temporary()
        defer { try? FileManager.default.removeItem(atPath: directory) }
        try PrivateFile.makeDirectory(directory)
        try PrivateFile.write(text, to: directory + "/contexts.json")
        #expect(throws: DeployError.self) { try ContextStore(directory: directory).load() }
    }

    @Test func flagsBeatTheEnvironmentAndThatBeatsTheContext() throws {
        try Self.withStore { environment in
            let resolver = TargetResolver(environment: environment)
            let stored = try resolver.resolve(ConnectionFlags())
            #expect(stored.server == "https://prod:8443" && stored.token == "prod-token" && stored.context == "prod")
            #expect(stored.endpoint.trust == .fingerprint(String(repeating: "ab", count: 32)))

            var variables = environment
            variables["TIANGONG_TOKEN"] = "variable"
            #expect(try TargetResolver(environment: variables).resolve(ConnectionFlags()).token == "variable")
            variables["TIANGONG_CONTEXT"] = "test"
            #expect(try TargetResolver(environment: variables).resolve(ConnectionFlags()).server == "https://test:8443")
            let flagged = try TargetResolver(environment: variables).resolve(ConnectionFlags(context: "prod"))
            #expect(flagged.server == "https://prod:8443" && flagged.token == "prod-token")
        }
    }

    @Test func aStoredTokenIsNeverSentToAnotherServer() throws {
        try Self.withStore { environment in
            let resolver = TargetResolver(environment: environment)
            let error = #expect(throws: DeployError.self) {
                try resolver.resolve(ConnectionFlags(server: "https://elsewhere:8443"))
            }
            #expect(error?.code == .unauthenticated)
            let same = try resolver.resolve(ConnectionFlags(server: "wss://prod"))
            #expect(same.token == "prod-token")
        }
    }

    @Test func anUnknownContextIsNotFound() throws {
        try Self.withStore { environment in
            let error = #expect(throws: DeployError.self) {
                try TargetResolver(environment: environment).resolve(ConnectionFlags(context: "nope"))
            }
            #expect(error?.code == .notFound)
            #expect(error?.hint == "known: prod, test")
        }
    }

    @Test func aTokenFileIsOneWord() throws {
        let path = Self.temporary()
        defer { try? FileManager.default.removeItem(atPath: path) }
        try PrivateFile.write("  tgo_abc \n", to: path)
        #expect(try TargetResolver.readToken(path) == "tgo_abc")
        try PrivateFile.write("\n", to: path)
        #expect(throws: DeployError.self) { try TargetResolver.readToken(path) }
        try PrivateFile.write("a\u{7}b", to: path)
        #expect(throws: DeployError.self) { try TargetResolver.readToken(path) }
        #expect(throws: DeployError.self) { try TargetResolver.readToken(path + ".missing") }
    }

    @Test func theConsoleSeesWhatTheFlagsSay() {
        let base = ["TIANGONG_SERVER": "https://a", "TIANGONG_TOKEN": "t", "HOME": "/h"]
        #expect(
            ConnectionFlags(context: "prod").environment(over: base) == ["TIANGONG_CONTEXT": "prod", "HOME": "/h"])
        let pinned = ConnectionFlags(server: "https://b", fingerprint: "ff").environment(over: base)
        #expect(pinned["TIANGONG_SERVER"] == "https://b" && pinned["TIANGONG_FINGERPRINT"] == "ff")
    }

    private static func withStore(_ body: ([String: String]) throws -> Void) throws {
        let directory = temporary()
        defer { try? FileManager.default.removeItem(atPath: directory) }
        try ContextStore(directory: directory).save(
            ContextFile(
                current: "prod",
                contexts: [
                    "prod": StoredContext(
                        server: "https://prod:8443", fingerprint: String(repeating: "ab", count: 32),
                        token: "prod-token"),
                    "test": StoredContext(server: "https://test:8443", token: "test-token"),
                ]))
        try body(["TIANGONG_CONFIG_DIR": directory])
    }
}
