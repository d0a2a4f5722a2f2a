// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Glibc
import Logging
import Testing

@testable import Agent

@Suite(.timeLimit(.minutes(10))) struct `The agent's own policy` {
    private func policy(_ path: String) -> AgentPolicy {
        AgentPolicy(path, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    }

    @Test(arguments: [nil, "", "# nothing\n", "mode: everything\n", "mode: audit\nallowed: []\n", "mode: [\n", "\u{1}"])
    func `refuses everything when it cannot be used, and says why`(text: String?) async throws {
        try await withTemporaryDirectory { directory in
            if let text { try write(text, to: directory + "/policy.yaml") }
            let policy = policy(directory + "/policy.yaml")
            let verdict = policy.judge(TaskSpec(command: "true"))
            #expect(verdict.isRefusal && verdict.rule == "policy-file")
            #expect(verdict.message.contains("policy"))
            #expect(policy.report.policy == nil && policy.report.error?.isEmpty == false)
        }
    }

    @Test func `refuses everything while others can write the file`() async throws {
        try await withTemporaryDirectory { directory in
            let path = directory + "/policy.yaml"
            try write("mode: audit\n", to: path)
            let policy = policy(path)
            #expect(!policy.judge(TaskSpec(command: "true")).isRefusal)
            chmod(path, 0o666)
            #expect(policy.judge(TaskSpec(command: "true")).isRefusal)
            chmod(path, 0o600)
            #expect(!policy.judge(TaskSpec(command: "true")).isRefusal)
        }
    }

    @Test func `is read again when the file changes, even when size and time stay the same`() async throws {
        try await withTemporaryDirectory { directory in
            let path = directory + "/policy.yaml"
            let spec = TaskSpec(command: "uptime")
            try write("mode: whitelist\nallow: ['^uptime$']\n", to: path)
            let policy = policy(path)
            #expect(!policy.judge(spec).isRefusal)
            var status = stat()
            stat(path, &status)
            try write("mode: whitelist\nallow: ['^Uptime$']\n", to: path)
            var times = [status.st_atim, status.st_mtim]
            utimensat(AT_FDCWD, path, &times, 0)
            #expect(policy.judge(spec).isRefusal)
            unlink(path)
            #expect(policy.judge(spec).rule == "policy-file")
            try write("mode: no-injection\n", to: path)
            #expect(!policy.judge(spec).isRefusal)
        }
    }

    @Test func `tells whoever listens each change once`() async throws {
        try await withTemporaryDirectory { directory in
            let path = directory + "/policy.yaml"
            try write("mode: audit\n", to: path)
            let policy = policy(path)
            var reports = policy.reports().makeAsyncIterator()
            try write("mode: audit # the same\n", to: path)
            policy.refresh()
            try write("mode: whitelist\n", to: path)
            policy.refresh()
            #expect(await reports.next()?.policy?.mode == .whitelist)
            unlink(path)
            policy.refresh()
            #expect(await reports.next()?.error?.contains("cannot be read") == true)
        }
    }

    @Test func `decides before the journal, and the refusal carries its verdict`() async throws {
        try await RunnerBench.with { bench in
            let (end, output, _, _) = try await bench.run("echo before; rm -rf /usr")
            #expect(end?.status == "rejected")
            #expect(end?.error?.code == "policy_denied")
            #expect(end?.error?.message.hasPrefix("refused by the agent's policy: D1 ") == true)
            #expect(end?.error?.message.contains("(at byte ") == true)
            let verdict = end?.result?["verdict"]?.objectValue
            #expect(verdict?["rule"] == .string("D1") && verdict?["verdict"] == .string("deny"))
            #expect(output == "")
            #expect(bench.journal.entries.values.allSatisfy { $0.startedAt == nil })
        }
    }

    @Test func `holds for tasks that were waiting when it changed`() async throws {
        try await RunnerBench.with(maxConcurrency: 1) { bench in
            let first = try await bench.submit("sleep 600")
            _ = await bench.pid(of: first)
            let second = try await bench.submit("echo ran")
            try write("mode: whitelist\n", to: bench.directory + "/policy.yaml")
            _ = await bench.runner.cancel(TaskCancel(taskID: first.taskID, attempt: 1))
            #expect(await bench.end(of: second)?.status == "rejected")
            #expect(bench.text(second, .stdout) == "")
        }
    }

    @Test func `in audit mode lets everything run, and says what it would have refused`() async throws {
        try await withTemporaryDirectory { directory in
            try write("mode: audit\ndeny: ['^echo .*$']\n", to: directory + "/policy.yaml")
            try await RunnerBench.with(directory: directory) { bench in
                let (end, output, _, notes) = try await bench.run("echo ran")
                #expect(end?.status == "succeeded" && output == "ran\n")
                #expect(notes.contains("would refuse"))
                #expect(end?.result?["verdict"]?.objectValue?["verdict"] == .string("deny"))
            }
        }
    }

    @Test(arguments: [
        "mode: blacklist-default\nhost_namespaces: true\n", "mode: audit\nhost_namespaces: true\n",
        "mode: whitelist\nallow: ['^readlink [a-z/]+$']\n",
    ])
    func `keeps tasks out of the host's namespaces unless it says so and is a whitelist`(text: String) async throws {
        try await withTemporaryDirectory { directory in
            try write(text, to: directory + "/policy.yaml")
            try await RunnerBench.with(directory: directory) { bench in
                let end = try await bench.run(
                    "readlink /proc/self/ns/net", params: ["host_namespaces": .bool(true)]
                ).end
                #expect(end?.status == "rejected")
                #expect(end?.error?.message.contains("host-namespaces") == true)
            }
        }
    }
}
