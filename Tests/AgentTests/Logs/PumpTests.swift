// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Glibc
import NIOCore
import Testing

@testable import Agent

@Suite(.timeLimit(.minutes(10))) struct `The output of a task` {
    @Test func `arrives byte for byte, with a burst at the very end`() async throws {
        try await RunnerBench.with { bench in
            let path = bench.directory + "/data"
            var bytes = ByteBuffer()
            var generator = SystemRandomNumberGenerator()
            for _ in 0..<400_000 { bytes.writeInteger(generator.next()) }
            let file = try StateFile(path, create: true)
            try file.write(bytes, at: 0)
            let task = try await bench.submit("cat \(path); cat \(path) >&2; sleep 0.05; head -c 900000 \(path)")
            #expect(await bench.end(of: task)?.status == "succeeded")
            let whole = Array(bytes.readableBytesView)
            #expect(bench.bytes(task, .stdout) == whole + whole.prefix(900_000))
            #expect(bench.bytes(task, .stderr) == whole)
        }
    }

    @Test func `is numbered without holes and with the right offsets`() async throws {
        try await RunnerBench.with { bench in
            let task = try await bench.submit("for i in $(seq 200); do echo $i; echo e$i >&2; done")
            let end = await bench.end(of: task)
            let chunks = bench.chunks(task)
            #expect(chunks.map(\.seq) == Array(0..<Int64(chunks.count)))
            #expect(end?.logSeq == Int64(chunks.count))
            for stream in LogStream.allCases {
                var offset: Int64 = 0
                for chunk in chunks where chunk.stream == stream {
                    #expect(chunk.offset == offset)
                    offset += Int64(chunk.rawLength)
                }
            }
            #expect(chunks.allSatisfy { $0.rawLength <= LogChunk.maximumRawLength })
        }
    }

    @Test func `keeps the order of its two streams`() async throws {
        try await RunnerBench.with { bench in
            // Nothing is written before what stands in front of it was read: two pipes have no order of their own.
            let gate = bench.directory + "/gate"
            let wait = "until [ -e \(gate)$n ]; do sleep 0.02; done; n=$((n + 1))"
            let task = try await bench.submit(
                "n=1; for i in 1 2 3; do echo $i; \(wait); echo $i >&2; \(wait); done")
            for count in 1...6 {
                #expect(await eventually { bench.chunks(task).count == count })
                try write("", to: gate + "\(count)")
            }
            _ = await bench.end(of: task)
            #expect(bench.chunks(task).map(\.stream) == [.stdout, .stderr, .stdout, .stderr, .stdout, .stderr])
        }
    }

    @Test func `that need not be UTF-8 or end with a newline is kept as it is`() async throws {
        try await RunnerBench.with { bench in
            let task = try await bench.submit(#"printf '\377\000\376 no newline'"#)
            _ = await bench.end(of: task)
            #expect(bench.bytes(task, .stdout) == [0xFF, 0, 0xFE] + Array(" no newline".utf8))
        }
    }

    @Test func `over the limit is cut with one note of how much, and the command goes on`() async throws {
        try await RunnerBench.with { bench in
            let task = try await bench.submit("head -c 3000000 /dev/zero; echo end >&2", logLimit: 100_000)
            let end = await bench.end(of: task)
            #expect(end?.status == "succeeded")
            #expect(bench.bytes(task, .stdout).count == 100_000)
            #expect(bench.bytes(task, .stderr).isEmpty)
            let notes = bench.chunks(task).filter { $0.stream == .system }
            #expect(notes.count == 1)
            #expect(bench.text(task, .system).contains("2900004 bytes were cut"))
            #expect(end?.result?["log_cut_bytes"] == .integer(2_900_004))
            #expect(bench.chunks(task).last?.stream == .system)
        }
    }

    @Test func `holds the program up when nobody takes it, and nothing is lost when somebody does`() async throws {
        try await RunnerBench.with(spoolLimit: 1 << 20, isConnected: false) { bench in
            let path = bench.directory + "/progress"
            // Random data does not compress, so 40 blocks of 100 kB do not fit into spool and pipes.
            let task = try await bench.submit(
                "for i in $(seq 40); do head -c 100000 /dev/urandom; echo $i >> \(path); done; echo end >&2")
            #expect(await eventually { bench.spools.isFull })
            let stalled = contents(of: path).split(separator: "\n").count
            #expect(stalled < 40)
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { try await bench.connect() }
                let end = await bench.end(of: task)
                #expect(end?.status == "succeeded")
                #expect(bench.bytes(task, .stdout).count == 4_000_000)
                #expect(bench.text(task, .stderr) == "end\n")
                bench.disconnect()
                try await group.waitForAll()
            }
        }
    }

    @Test func `of a command held up by a full spool is kept when it is canceled`() async throws {
        try await RunnerBench.with(spoolLimit: 1 << 20, isConnected: false) { bench in
            let task = try await bench.submit("cat /dev/urandom")
            #expect(await eventually { bench.spools.isFull })
            _ = await bench.runner.cancel(TaskCancel(taskID: task.taskID, attempt: 1))
            #expect(await eventually { await bench.runner.journal().first?.state == "canceled" })
            #expect(bench.spools.used < 8 << 20)
        }
    }

    @Test func `is sent again from where the Cloud stands after a lost connection`() async throws {
        try await RunnerBench.with(acknowledges: false) { bench in
            let gate = bench.directory + "/gate"
            let task = try await bench.submit("seq 1 20000; until [ -e \(gate) ]; do sleep 0.02; done; echo last")
            #expect(await eventually { bench.text(task, .stdout).hasSuffix("20000\n") })
            bench.disconnect()
            let seen = Int64(bench.chunks(task).count)
            try write("", to: gate)
            #expect(await eventually { await bench.runner.journal().first?.state == "succeeded" })
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { try await bench.connect(expecting: [task: seen - 1]) }
                #expect(await bench.end(of: task)?.status == "succeeded")
                bench.disconnect()
                try await group.waitForAll()
            }
            let again = bench.chunks(task).dropFirst(Int(seen))
            #expect(again.first?.seq == seen - 1)
            #expect(again.last?.seq == bench.chunks(task).map(\.seq).max())
        }
    }

    @Test func `its end follows its last chunk and comes again on each connection until it is acknowledged`()
        async throws
    {
        try await RunnerBench.with(acknowledges: false) { bench in
            let task = try await bench.submit("echo hello")
            let end = await bench.end(of: task)
            #expect(bench.chunks(task).count == Int(end?.logSeq ?? -1))
            bench.disconnect()
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { try await bench.connect(expecting: [task: 1]) }
                #expect(await eventually { bench.completionCount == 2 })
                #expect(bench.chunks(task).count == 1)
                await bench.runner.acknowledgeEnd(task)
                bench.disconnect()
                try await group.waitForAll()
            }
            #expect(await bench.runner.journal().isEmpty)
            #expect(StateDirectory.names(in: bench.directory + "/spool").isEmpty)
        }
    }
}
