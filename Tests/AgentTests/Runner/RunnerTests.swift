// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Glibc
import NIOCore
import Testing

@testable import Agent

@Suite(.timeLimit(.minutes(10))) struct `A task` {
    @Test func `that exits 0 succeeded, with its output and times`() async throws {
        try await RunnerBench.with { bench in
            let (end, output, errors, notes) = try await bench.run("echo out; echo err >&2")
            #expect(end?.status == "succeeded")
            #expect(end?.exitCode == 0)
            #expect(output == "out\n")
            #expect(errors == "err\n")
            #expect(notes == "")
            #expect(end?.logSeq == 2)
            #expect(end?.startedAt != nil && end?.finishedAt != nil)
        }
    }

    @Test func `that exits with another status failed with it`() async throws {
        try await RunnerBench.with { bench in
            let end = try await bench.run("exit 7").end
            #expect(end?.status == "failed")
            #expect(end?.exitCode == 7)
            #expect(end?.error == nil)
        }
    }

    @Test func `that dies by a signal failed with it`() async throws {
        try await RunnerBench.with { bench in
            let end = try await bench.run("kill -SEGV $$").end
            #expect(end?.status == "failed")
            #expect(end?.signal == SIGSEGV)
            #expect(end?.exitCode == nil)
        }
    }

    @Test func `over its time limit is timed out`() async throws {
        // A grace that TERM is sure to be seen in.
        try await RunnerBench.with(grace: .seconds(30)) { bench in
            let end = try await bench.run("echo begun; sleep 600", timeout: 0.2).end
            #expect(end?.status == "timed_out")
            #expect(end?.error?.code == "timed_out")
            #expect(end?.signal == SIGTERM)
        }
    }

    @Test func `that is canceled is canceled, however often it is asked`() async throws {
        try await RunnerBench.with { bench in
            let task = try await bench.submit("echo begun; sleep 600", timeout: 300)
            _ = await bench.pid(of: task)
            for _ in 0..<3 { _ = await bench.runner.cancel(TaskCancel(taskID: task.taskID, attempt: 1)) }
            let end = await bench.end(of: task)
            #expect(end?.status == "canceled")
            #expect(end?.error?.code == "canceled")
        }
    }

    @Test func `is called by the first reason, and a later one changes only the grace`() async {
        let stop = StopRequest(grace: .seconds(10))
        stop.request(.cancel)
        stop.request(.timeout, grace: .seconds(1))
        stop.close()
        #expect(await stop.wait() == .cancel)
        #expect(stop.reason == .cancel)
        #expect(stop.grace == .seconds(1))
    }

    @Test func `that ignores TERM is killed after its grace, which a second cancel can shorten`() async throws {
        try await RunnerBench.with(grace: .seconds(600)) { bench in
            let task = try await bench.submit("trap '' TERM; echo begun; while :; do sleep 0.05; done")
            _ = await eventually { bench.text(task, .stdout) == "begun\n" }
            _ = await bench.runner.cancel(TaskCancel(taskID: task.taskID, attempt: 1))
            _ = await bench.runner.cancel(TaskCancel(taskID: task.taskID, attempt: 1, grace: 0.1))
            let end = await bench.end(of: task)
            #expect(end?.status == "canceled")
            #expect(end?.signal == SIGKILL)
        }
    }

    @Test func `that exits 0 when it is told to stop is still canceled`() async throws {
        try await RunnerBench.with(grace: .seconds(30)) { bench in
            let task = try await bench.submit("trap 'exit 0' TERM; echo begun; while :; do sleep 0.02; done")
            _ = await eventually { bench.text(task, .stdout) == "begun\n" }
            _ = await bench.runner.cancel(TaskCancel(taskID: task.taskID, attempt: 1))
            let end = await bench.end(of: task)
            #expect(end?.status == "canceled")
            #expect(end?.exitCode == 0)
        }
    }

    @Test func `runs only once however often it is delivered`() async throws {
        try await RunnerBench.with { bench in
            let id = TaskID.random()
            let path = bench.directory + "/count"
            let gate = bench.directory + "/gate"
            for _ in 0..<5 {
                try await bench.submit("echo x >> \(path); until [ -e \(gate) ]; do sleep 0.02; done", id: id)
            }
            try write("", to: gate)
            let end = await bench.end(of: TaskReference(taskID: id, attempt: 1))
            #expect(end?.status == "succeeded")
            await #expect(throws: DeployError.self) { try await bench.submit("echo x >> \(path)", id: id) }
            #expect(contents(of: path) == "x\n")
        }
    }

    @Test func `of an unknown type or with a bad parameter is rejected and named`() async throws {
        try await RunnerBench.with { bench in
            let end = try await bench.run("x", params: ["cwd": .string("relative")]).end
            #expect(end?.status == "rejected")
            #expect(end?.error?.message.contains("cwd") == true)
            let spec = TaskSpec(type: "mainframe", command: "x")
            let id = TaskID.random()
            try await bench.runner.submit(
                TaskCreate(taskID: id, runID: .random(), attempt: 1, epoch: 1, spec: spec, actor: "test"))
            let other = await bench.end(of: TaskReference(taskID: id, attempt: 1))
            #expect(other?.status == "rejected")
            #expect(other?.error?.code == "unsupported")
        }
    }

    @Test func `beyond the limit waits its turn, in order, and can be canceled there without starting`() async throws {
        try await RunnerBench.with(maxConcurrency: 3) { bench in
            let gate = bench.directory + "/gate"
            let order = bench.directory + "/order"
            var tasks: [TaskReference] = []
            for index in 0..<6 {
                tasks.append(
                    try await bench.submit("echo \(index) >> \(order); until [ -e \(gate) ]; do sleep 0.02; done"))
            }
            _ = await eventually { contents(of: order).count == 6 }
            #expect(await bench.runner.load.running == 3)
            #expect(await bench.runner.load.queued == 3)
            #expect(await eventually { bench.states(tasks[3]) == ["accepted"] })
            _ = await bench.runner.cancel(TaskCancel(taskID: tasks[4].taskID, attempt: 1))
            let canceled = await bench.end(of: tasks[4])
            #expect(canceled?.status == "canceled")
            #expect(canceled?.startedAt == nil)
            try write("", to: gate)
            for index in [0, 1, 2, 3, 5] { #expect(await bench.end(of: tasks[index])?.status == "succeeded") }
            #expect(Set(contents(of: order).split(separator: "\n")) == ["0", "1", "2", "3", "5"])
            #expect(await eventually { await bench.runner.load.running == 0 })
        }
    }

    @Test func `among a hundred at once keeps its own output`() async throws {
        try await RunnerBench.with { bench in
            let gate = bench.directory + "/gate"
            let wait = "until [ -e \(gate) ]; do sleep 0.2; done"
            var tasks: [TaskReference] = []
            for index in 0..<100 { tasks.append(try await bench.submit("\(wait); echo task \(index)")) }
            #expect(await eventually { await bench.runner.load.running == 100 })
            try write("", to: gate)
            for (index, task) in tasks.enumerated() {
                #expect(await bench.end(of: task)?.status == "succeeded")
                #expect(bench.text(task, .stdout) == "task \(index)\n")
            }
        }
    }

    @Test func `running when the agent stops is interrupted and leaves no process`() async throws {
        try await RunnerBench.with(acknowledges: false) { bench in
            let task = try await bench.submit("sleep 600 & sleep 600")
            let pid = try #require(await bench.pid(of: task))
            await bench.runner.stop()
            let end = await bench.end(of: task)
            #expect(end?.status == "interrupted")
            #expect(!isAlive(pid))
            #expect(await ProcessSession(id: pid, reference: task).members(escaped: true).isEmpty)
        }
    }

    @Test func `that ended while nobody was connected is told after a restart, with its whole log`() async throws {
        try await withTemporaryDirectory { directory in
            let id = TaskID.random()
            let task = TaskReference(taskID: id, attempt: 1)
            try await RunnerBench.with(directory: directory, isConnected: false) { bench in
                try await bench.submit("seq 1 5000", id: id)
                #expect(await eventually { await bench.runner.journal().first?.state == "succeeded" })
            }
            try await RunnerBench.with(directory: directory) { bench in
                #expect(await bench.end(of: task)?.status == "succeeded")
                #expect(bench.text(task, .stdout) == (1...5000).map { "\($0)\n" }.joined())
                await #expect(throws: DeployError.self) { try await bench.submit("echo again", id: id) }
            }
            #expect(try TaskJournal(directory + "/journal").entries.isEmpty)
        }
    }

    @Test func `whose agent died is ended and reported interrupted, with what it had written`() async throws {
        try await withTemporaryDirectory { directory in
            // A predecessor that was killed: its journal, its spool and a live process with the marker.
            let task = TaskReference(taskID: .random(), attempt: 1)
            try StateDirectory.create(directory + "/spool")
            try await TaskJournal(directory + "/journal").start(task, at: .now())
            let spool = LogSpool(task, store: SpoolStore(directory + "/spool", limit: 1 << 20))
            try spool.append(.stdout, at: .now(), codec: .identity, rawLength: 5, payload: .init(string: "early"))
            let pidFile = directory + "/pid"
            try await RunnerBench.with { other in
                try await other.submit(
                    "TIANGONG_TASK_ID=\(task.taskID) TIANGONG_TASK_ATTEMPT=1 setsid sh -c 'echo $$ > \(pidFile); exec sleep 600' "
                        + ">/dev/null 2>&1 & until [ -s \(pidFile) ]; do sleep 0.02; done")
                #expect(await eventually { contents(of: pidFile).hasSuffix("\n") })
            }
            let pid = try #require(pid_t(contents(of: pidFile).dropLast()))
            #expect(isAlive(pid))
            try await RunnerBench.with(directory: directory) { bench in
                let end = await bench.end(of: task)
                #expect(end?.status == "interrupted")
                #expect(end?.logSeq == 2)
                #expect(bench.text(task, .stdout) == "early")
                #expect(bench.text(task, .system).contains("1 process"))
                #expect(!isAlive(pid))
            }
        }
    }
}
