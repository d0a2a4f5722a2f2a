// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Foundation
import Testing

@testable import Cloud

@Suite struct `The Cloud's settings` {
    private func read(_ flags: [String: String]) async throws -> CloudConfiguration {
        let reader = try await ConfigurationStack.reader(flags: flags, file: nil, environment: [:])
        return try CloudConfiguration(reader: reader)
    }

    @Test func `are all in the manual, and no others`() throws {
        let page = try String(
            contentsOfFile: #filePath.replacing(
                "/Tests/CloudTests/ConfigurationTests.swift", with: "/man/tiangong-cloud.yaml.5"), encoding: .utf8)
        let documented = Set(page.matches(of: /\n\.It Ic (\S+)/).map { String($0.output.1) })
        #expect(documented == Set(CloudConfiguration.Key.allCases.map(\.rawValue)))
    }

    @Test(arguments: [
        ("listen", "8443"), ("data-dir", "here"), ("tls.lifetime", "1s"), ("tls.certificate", "/a.pem"),
        ("tls.key", "a.key"), ("agents.client-certificates", "maybe"), ("limits.unauthenticated", "0"),
        ("limits.requests-per-token", "many"), ("heartbeat-interval", "61"), ("lost-after", "soon"),
        ("expires-default", "0"), ("origins", "http://x"),
    ])
    func `with a bad value are refused, naming it`(key: String, value: String) async throws {
        let error = await #expect(throws: DeployError.self) { try await self.read([key: value]) }
        #expect(error?.code == .invalidArgument)
        #expect(error?.message.contains(key.split(separator: ".").first ?? "-") == true || key == "origins")
    }

    @Test func `take spans of time and lists`() async throws {
        let settings = try await read(["lost-after": "2h", "names": "a.example,10.0.0.5", "heartbeat-interval": "0.5"])
        #expect(settings.lostAfter == 7200 && settings.heartbeatInterval == 0.5)
        #expect(settings.names == ["a.example", "10.0.0.5"])
    }
}
