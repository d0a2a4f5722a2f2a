// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Testing

@testable import Agent

@Suite struct `The agent's settings` {
    private func read(_ flags: [String: String], file: String? = nil, environment: [String: String] = [:]) async throws
        -> AgentConfiguration
    {
        try AgentConfiguration(
            try await ConfigurationStack.reader(flags: flags, file: file, environment: environment))
    }

    private let needed = ["server.url": "https://cloud.example:8443", "server.token-file": "/etc/tiangong/token"]

    @Test func `have sane defaults`() async throws {
        let settings = try await read(needed)
        #expect(settings.server.port == 8443)
        #expect(settings.maxConcurrency == 100)
        #expect(settings.grace == .seconds(10))
        #expect(settings.taskLogLimit == 64 << 20)
        #expect(settings.spoolLimit == 256 << 20)
        #expect(settings.labels.isEmpty)
    }

    @Test func `come from flags before the environment before the file`() async throws {
        try await withTemporaryDirectory { directory in
            let file = directory + "/agent.yaml"
            try write(
                """
                server:
                  url: https://file.example
                  token-file: /file/token
                max-concurrency: 7
                labels:
                  - role=web
                  - zone=a
                shell:
                  grace: 1500ms
                log:
                  task-limit: 1MiB
                spool:
                  limit: 8388608
                environment: prod
                """, to: file)
            let settings = try await read(
                ["server.url": "https://flag.example"], file: file,
                environment: ["TIANGONG_SERVER_URL": "https://env.example", "TIANGONG_ENVIRONMENT": "stage"])
            #expect(settings.server.host == "flag.example")
            #expect(settings.environment == "stage")
            #expect(settings.tokenFile == "/file/token")
            #expect(settings.maxConcurrency == 7)
            #expect(settings.labels == ["role": "web", "zone": "a"])
            #expect(settings.grace == .milliseconds(1500))
            #expect(settings.taskLogLimit == 1 << 20)
            #expect(settings.spoolLimit == 8 << 20)
        }
    }

    @Test(arguments: [
        ("max-concurrency", "0"), ("max-concurrency", "many"), ("shell.grace", "soon"), ("shell.grace", "9999999h"),
        ("log.task-limit", "-1"), ("spool.limit", "12parsecs"), ("spool.limit", "1"), ("labels", "noequals"),
        ("server.url", "ftp://x"), ("server.fingerprint", "abc"), ("spool.limit", "9223372036854775807GiB"),
    ])
    func `with a bad value are refused, naming it`(key: String, value: String) async throws {
        let flags = needed.merging([key: value]) { $1 }
        let error = await #expect(throws: DeployError.self) { try await self.read(flags) }
        #expect(error?.code == .invalidArgument)
    }

    @Test func `without a server say what to give`() async throws {
        let error = await #expect(throws: DeployError.self) { try await self.read([:]) }
        #expect(error?.hint?.contains("--server") == true)
    }

    @Test func `are all in the manual, and no others`() throws {
        let page = contents(
            of: #filePath.replacing("/Tests/AgentTests/ConfigurationTests.swift", with: "/man/tiangong-agent.yaml.5"))
        let documented = Set(page.matches(of: /\n\.It Ic (\S+)/).map { String($0.output.1) })
        #expect(documented == Set(AgentConfiguration.Key.allCases.map(\.rawValue)).union(ExecutorSettings.keys))
    }

    @Test func `a state directory serves one agent at a time`() async throws {
        try await withTemporaryDirectory { directory in
            let first = try StateDirectory(directory + "/state")
            let error = #expect(throws: DeployError.self) { try StateDirectory(directory + "/state") }
            #expect(error?.code == .conflict)
            withExtendedLifetime(first) {}
        }
    }
}
