// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Glibc
import Testing

@testable import Agent

@Suite(.timeLimit(.minutes(10))) struct `A shell task` {
    @Test func `gets its argument vector untouched`() async throws {
        try await RunnerBench.with { bench in
            let argv: [JSONValue] = ["printf", "%s|", "a b", "", "*", "$HOME", "'\"", "ü\n"].map { .string($0) }
            let (end, output, _, _) = try await bench.run("shown", params: ["argv": .array(argv)])
            #expect(end?.status == "succeeded")
            #expect(output == "a b||*|$HOME|'\"|ü\n|")
        }
    }

    @Test func `starts where it is told`() async throws {
        try await RunnerBench.with { bench in
            let output = try await bench.run("pwd", params: ["cwd": .string("/usr/share")]).output
            #expect(output == "/usr/share\n")
        }
    }

    @Test func `sees a small environment, its own variables and its name, and nothing of the agent's`() async throws {
        setenv("TIANGONG_TOKEN_FILE", "/secret", 1)
        try await RunnerBench.with { bench in
            let task = try await bench.submit(
                "env | sort", params: ["env": .object(["GREETING": .string("hello world")])])
            _ = await bench.end(of: task)
            let lines = bench.text(task, .stdout).split(separator: "\n")
            let names = Set(lines.compactMap { $0.split(separator: "=").first.map(String.init) })
            let allowed: Set = ["HOME", "LANG", "LOGNAME", "PATH", "SHELL", "USER", "PWD", "OLDPWD", "SHLVL", "_"]
            #expect(names.subtracting(allowed) == ["GREETING", "TIANGONG_TASK_ID", "TIANGONG_TASK_ATTEMPT"])
            #expect(lines.contains("GREETING=hello world"))
            #expect(lines.contains("TIANGONG_TASK_ID=\(task.taskID)"))
        }
    }

    @Test(arguments: ["", "line\n", String(repeating: "0123456789abcdef", count: 30_000)])
    func `reads what it is given on standard input, then its end`(text: String) async throws {
        try await RunnerBench.with { bench in
            let output = try await bench.run("cat", params: ["stdin": .string(text)]).output
            #expect(output == text)
        }
    }

    @Test func `that does not read its standard input is not held up by it`() async throws {
        try await RunnerBench.with { bench in
            let text = String(repeating: "x", count: 500_000)
            let end = try await bench.run("exit 3", params: ["stdin": .string(text)]).end
            #expect(end?.exitCode == 3)
        }
    }

    @Test(arguments: [
        ("no-such-program-here", "/", "not found in PATH"), ("/no/such/program", "/", "was not found"),
        ("/etc/passwd", "/", "permission denied"), ("true", "/no/such/directory", "working directory"),
    ])
    func `that cannot start says which part is missing`(program: String, directory: String, expected: String)
        async throws
    {
        try await RunnerBench.with { bench in
            let end = try await bench.run(
                "shown", params: ["argv": .array([.string(program)]), "cwd": .string(directory)]
            ).end
            #expect(end?.status == "failed")
            #expect(end?.error?.code == "start_failed")
            #expect(end?.error?.message.contains(expected) == true, "\(end?.error?.message ?? "")")
        }
    }

    @Test func `for an unknown user says so`() async throws {
        try await RunnerBench.with { bench in
            let end = try await bench.run("id", params: ["user": .string("nobody-of-that-name")]).end
            #expect(end?.error?.code == "start_failed")
            #expect(end?.error?.message.contains("nobody-of-that-name") == true)
        }
    }

    @Test(.enabled(if: geteuid() == 0, "needs root")) func `switches to another user with that user's groups`()
        async throws
    {
        try await RunnerBench.with { bench in
            let output = try await bench.run("id -un; id -Gn; echo $USER; id -u", params: ["user": .string("nobody")])
                .output
            #expect(output.hasPrefix("nobody\nnogroup\nnobody\n"))
        }
    }

    @Test func `has nothing on standard input unless it is given`() async throws {
        try await RunnerBench.with { bench in
            let output = try await bench.run("readlink /proc/self/fd/0; wc -c").output
            #expect(output == "/dev/null\n0\n")
        }
    }

    @Test(arguments: ["LD_PRELOAD", "LD_LIBRARY_PATH", "BASH_ENV", "PATH", "TIANGONG_TASK_ID"])
    func `cannot set a variable that decides which code runs, even where the policy only watches`(name: String)
        async throws
    {
        try await withTemporaryDirectory { directory in
            try write("mode: audit\n", to: directory + "/policy.yaml")
            try await RunnerBench.with(directory: directory) { bench in
                let (end, output, _, _) = try await bench.run(
                    "echo ran", params: ["env": .object([name: .string("/tmp/x.so")])])
                #expect(end?.status == "failed")
                #expect(end?.error?.message.contains(name) == true)
                #expect(output == "")
            }
        }
    }

    @Test func `does not leak descriptors, whether programs start or not`() async throws {
        try await RunnerBench.with { bench in
            _ = try await bench.run("true")
            let before = StateDirectory.names(in: "/proc/self/fd").filter { name in
                var target = [CChar](repeating: 0, count: 512)
                return readlink("/proc/self/fd/" + name, &target, 511) > 0
            }
            #expect(!before.isEmpty)
            for index in 0..<20 {
                let program = index % 2 == 0 ? "true" : "/no/such/program"
                _ = try await bench.run("shown", params: ["argv": .array([.string(program)]), "stdin": .string("x")])
            }
            let output = try await bench.run("ls /proc/self/fd | wc -l").output
            #expect(output == "4\n")
        }
    }

    @Test func `has the default signal dispositions`() async throws {
        try await RunnerBench.with { bench in
            let (_, output, errors, _) = try await bench.run("yes | head -1; grep -E 'SigIgn|SigBlk' /proc/self/status")
            let lines = output.split(separator: "\n")
            #expect(lines.first == "y")
            // Signals 32 and 33 belong to the C library.
            let masks = lines.dropFirst().compactMap { UInt64($0.split(separator: "\t").last ?? "", radix: 16) }
            #expect(masks.map { $0 & 0x7FFF_FFFF } == [0, 0])
            #expect(errors == "")
        }
    }
}
