// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Glibc
import Testing

@testable import Agent

@Suite struct `The check before a restart` {
    private func check(_ path: String) async -> (problems: [String], warnings: [String]) {
        let (problems, warnings) = await ConfigurationCheck(environment: [:]).run(path)
        return (problems.map(\.description), warnings.map(\.description))
    }

    /// An agent's files in a directory, all in order.
    private func withFiles(_ body: (String) async throws -> Void) async throws {
        try await withTemporaryDirectory { top in
            try write("secret-token\n", to: top + "/token")
            try write("mode: no-injection\n", to: top + "/policy.yaml")
            try StateDirectory.create(top + "/secrets")
            try write("canary-4711\n", to: top + "/secrets/db")
            try write(settings(top), to: top + "/agent.yaml")
            try await body(top)
        }
    }

    private func settings(_ top: String) -> String {
        """
        server:
          url: https://cloud.example:8443
          token-file: \(top)/token
        data-dir: \(top)/data
        labels:
          - role=web
        policy:
          file: \(top)/policy.yaml
        secrets:
          directory: \(top)/secrets
        log:
          level: info

        """
    }

    @Test func `finds nothing where all is well`() async throws {
        try await withFiles { top in
            #expect(await check(top + "/agent.yaml").problems == [])
            #expect(await check(top + "/policy.yaml").problems == [])
        }
    }

    @Test func `names every problem of a file with its line`() async throws {
        try await withFiles { top in
            try write(
                settings(top) + """
                    colour: blue
                    max-concurrency: many
                    spool:
                      limit: 1
                      Limit: 2
                    host-namespaces:
                      target-pid: 0
                    environment: [a]
                    shell.grace: soon

                    """, to: top + "/agent.yaml")
            let problems = await check(top + "/agent.yaml").problems
            let expected = [
                ":13: unknown setting 'colour'", ":14: max-concurrency 'many' is not",
                ":16: spool.limit '1' is not from",
                ":17: unknown setting 'spool.Limit'; did you mean 'spool.limit'?",
                ":19: host-namespaces.target-pid '0' is not", ":20: environment is not a single value",
                ":21: shell.grace 'soon' is not",
            ]
            #expect(problems.count == expected.count, "\(problems)")
            for (problem, text) in zip(problems, expected) { #expect(problem.hasPrefix(top + "/agent.yaml" + text)) }
        }
    }

    @Test(arguments: [
        ("token", 0o644, "readable by others"), ("secrets/db", 0o640, "mode over 0600"),
        ("secrets", 0o777, "changed by others"), ("policy.yaml", 0o666, "written by others"),
    ])
    func `looks at modes`(name: String, mode: Int, text: String) async throws {
        try await withFiles { top in
            chmod("\(top)/\(name)", mode_t(mode))
            let problems = await check(top + "/agent.yaml").problems
            #expect(problems.count == 1 && problems.first?.contains(text) == true, "\(problems)")
            #expect(!problems.joined().contains("canary"))
        }
    }

    @Test func `looks at what is not there and at directories`() async throws {
        try await withFiles { top in
            unlink(top + "/token")
            unlink(top + "/policy.yaml")
            mkdir(top + "/data", 0o755)
            try write("abc", to: top + "/secrets/pin")
            let problems = await check(top + "/agent.yaml").problems.joined(separator: "\n")
            for text in [
                "agent.yaml:3: ", "agent.yaml:4: ", "open to others", "pin: under 6 bytes", "policy.yaml: cannot",
            ] {
                #expect(problems.contains(text.contains("policy") ? "policy.yaml cannot be read" : text), "\(problems)")
            }
        }
    }

    @Test(arguments: [
        ("mode: whitelist\nallow:\n  - '^a$'\n  - '(b'\n", 4), ("mode: strict\n", 1), ("allow: []\nmod: audit\n", 2),
    ])
    func `knows a policy by its keys, whatever it is called`(text: String, line: Int) async throws {
        try await withTemporaryDirectory { top in
            try write(text, to: top + "/rules")
            #expect(await check(top + "/rules").problems.first?.hasPrefix("\(top)/rules:\(line): ") == true)
        }
    }

    @Test func `warns of what is rarely meant in a policy`() async throws {
        try await withTemporaryDirectory { top in
            try write("mode: whitelist\nallow:\n  - '^cat .*$'\n", to: top + "/policy.yaml")
            let (problems, warnings) = await check(top + "/policy.yaml")
            #expect(problems == [] && !warnings.isEmpty)
        }
    }

    @Test(arguments: ["", "- a\n", "text\n", "a: b: c\n", "x: &x [*x]\n", "server: {url: https://x, url: https://y}\n"])
    func `survives what is no settings file`(text: String) async throws {
        try await withTemporaryDirectory { top in
            try write(text, to: top + "/agent.yaml")
            #expect(await !check(top + "/agent.yaml").problems.isEmpty)
            #expect(await !check(top + "/missing.yaml").problems.isEmpty)
            #expect(await !check(top).problems.isEmpty)
        }
    }
}
