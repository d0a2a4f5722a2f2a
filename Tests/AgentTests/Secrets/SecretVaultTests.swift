// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Glibc
import Testing

@testable import Agent

@Suite(.timeLimit(.minutes(10))) struct `A secret of the agent` {
    private func read(_ name: String, in directory: String) throws -> [UInt8] {
        let reference = try #require(SecretReference(name))
        return try SecretVault(directory: directory).resolve([reference]).secret(reference).reveal()
    }

    @Test func `is the file's content without one line break at its end`() async throws {
        try await withTemporaryDirectory { directory in
            for (text, expected) in [("value\n", "value"), ("value", "value"), ("a\nb\n\n", "a\nb\n")] {
                try write(text, to: directory + "/token")
                #expect(try read("token", in: directory) == Array(expected.utf8))
            }
        }
    }

    @Test(arguments: [0o640, 0o604, 0o660, 0o700, 0o4600, 0o666])
    func `that others could read is refused`(mode: Int) async throws {
        try await withTemporaryDirectory { directory in
            try write("value-1", to: directory + "/token")
            chmod(directory + "/token", mode_t(mode))
            let error = #expect(throws: DeployError.self) { try read("token", in: directory) }
            #expect(error?.code == .forbidden)
            chmod(directory + "/token", 0o400)
            #expect(try read("token", in: directory) == Array("value-1".utf8))
        }
    }

    @Test func `in a directory others could change is refused`() async throws {
        try await withTemporaryDirectory { directory in
            try write("value-1", to: directory + "/token")
            chmod(directory, 0o777)
            #expect(throws: DeployError.self) { try read("token", in: directory) }
            chmod(directory, 0o755)
            #expect(try read("token", in: directory).count == 7)
        }
    }

    @Test func `that is missing, empty, large, a pipe or outside is refused`() async throws {
        try await withTemporaryDirectory { directory in
            try StateDirectory.create(directory + "/secrets")
            let secrets = directory + "/secrets"
            try write("", to: secrets + "/empty")
            try write(String(repeating: "x", count: 65_537), to: secrets + "/large")
            try write("outside", to: directory + "/outside")
            mkfifo(secrets + "/pipe", 0o600)
            symlink("../outside", secrets + "/link")
            symlink("/etc/passwd", secrets + "/absolute")
            try StateDirectory.create(secrets + "/folder")
            for name in ["missing", "empty", "large", "pipe", "link", "absolute", "folder"] {
                #expect(throws: DeployError.self, "\(name)") { try read(name, in: secrets) }
            }
            try write("mounted", to: secrets + "/data")
            symlink("data", secrets + "/inside")
            #expect(try read("inside", in: secrets) == Array("mounted".utf8))
        }
    }

    @Test func `reaches the task by variable and by standard input, and its output without it`() async throws {
        try await RunnerBench.with { bench in
            try bench.secret("token", "canary-4711\n")
            let reference = JSONValue.object(["secret_ref": .string("token")])
            // What looked like its beginning is passed on in the pause; only then the rest is written.
            let gate = bench.directory + "/gate"
            let command = """
                test "$TOKEN" = canary-4711 && echo same; cat; echo " $TOKEN"; printf %s "$TOKEN" | base64;
                printf 'can'; until [ -e \(gate) ]; do sleep 0.02; done; printf 'ary-47'; sleep 0.2; printf '11\\n';
                echo "$TOKEN" >&2
                """
            let task = try await bench.submit(
                command, params: ["env": .object(["TOKEN": reference]), "stdin": reference])
            #expect(await eventually { bench.text(task, .stdout).hasSuffix("\ncan") })
            try write("", to: gate)
            let end = await bench.end(of: task)
            #expect(end?.status == "succeeded")
            #expect(bench.text(task, .stdout) == "same\n[redacted] [redacted]\n[redacted]E=\ncan[redacted]\n")
            #expect(bench.text(task, .stderr) == "[redacted]\n")
            var offset: Int64 = 0
            for chunk in bench.chunks(task) where chunk.stream == .stdout {
                #expect(chunk.offset == offset)
                offset += Int64(chunk.rawLength)
            }
            #expect(offset == Int64(bench.bytes(task, .stdout).count))
            for name in StateDirectory.names(in: bench.directory) {
                #expect(!contents(of: bench.directory + "/" + name).contains("canary"), "\(name)")
            }
        }
    }

    @Test func `shows up live: what cannot be a secret is not held back by a silent program`() async throws {
        try await RunnerBench.with { bench in
            try bench.secret("token", "canary-4711")
            let reference = JSONValue.object(["secret_ref": .string("token")])
            let task = try await bench.submit(
                "printf 'ready> ca'; read answer; echo", params: ["env": .object(["TOKEN": reference])])
            #expect(await eventually { bench.text(task, .stdout).hasPrefix("ready> ca") })
            _ = await bench.end(of: task)
        }
    }

    @Test func `that cannot be had keeps the task from starting`() async throws {
        try await RunnerBench.with { bench in
            let reference = JSONValue.object(["secret_ref": .string("token")])
            let (end, output, _, _) = try await bench.run("echo ran", params: ["env": .object(["T": reference])])
            #expect(end?.status == "rejected")
            #expect(end?.error?.code == "not_found")
            #expect(end?.error?.message.contains("token") == true)
            #expect(output == "")
            #expect(bench.journal.entries.values.allSatisfy { $0.startedAt == nil })
        }
    }
}
