// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Glibc
import Testing

@testable import Agent

@Suite(.timeLimit(.minutes(10))) struct `The processes of a task` {
    private func pids(_ path: String) -> [pid_t] {
        contents(of: path).split(separator: "\n").compactMap { pid_t($0) }
    }

    @Test func `are ended with it when it leaves them in the background, and the log says how many`() async throws {
        try await RunnerBench.with { bench in
            let task = try await bench.submit("sleep 600 & echo $!; sleep 600 >/dev/null 2>&1 & echo $!; true")
            let end = await bench.end(of: task)
            #expect(end?.status == "succeeded")
            let left = bench.text(task, .stdout).split(separator: "\n").compactMap { pid_t($0) }
            #expect(left.count == 2)
            #expect(left.allSatisfy { !isAlive($0) })
            #expect(bench.text(task, .system).contains("left 2 processes"))
        }
    }

    @Test func `that ignore TERM are killed after the grace, grandchildren too`() async throws {
        try await RunnerBench.with(grace: .milliseconds(200)) { bench in
            let path = bench.directory + "/pids"
            let stubborn = "trap \"\" TERM; echo $$ >> \(path); while :; do sleep 0.1; done"
            let task = try await bench.submit(
                "sh -c 'sh -c '\\''\(stubborn)'\\'' & \(stubborn)' & trap '' TERM; echo $$ >> \(path); wait; wait")
            #expect(await eventually { self.pids(path).count == 3 })
            _ = await bench.runner.cancel(TaskCancel(taskID: task.taskID, attempt: 1))
            let end = await bench.end(of: task)
            #expect(end?.status == "canceled")
            #expect(pids(path).allSatisfy { !isAlive($0) })
        }
    }

    @Test func `that made sessions of their own are ended when it is canceled`() async throws {
        try await RunnerBench.with { bench in
            let path = bench.directory + "/pids"
            let task = try await bench.submit(
                "setsid sh -c 'echo $$ >> \(path); exec sleep 600' >/dev/null 2>&1 & sleep 600")
            #expect(await eventually { self.pids(path).count == 1 })
            _ = await bench.runner.cancel(TaskCancel(taskID: task.taskID, attempt: 1))
            #expect(await bench.end(of: task)?.status == "canceled")
            #expect(pids(path).allSatisfy { !isAlive($0) })
        }
    }

    @Test func `that made sessions of their own do not hold up its end by holding its output`() async throws {
        try await RunnerBench.with { bench in
            let path = bench.directory + "/pids"
            let task = try await bench.submit(
                "setsid sh -c 'echo $$ >> \(path); exec sleep 600' & echo done; until [ -s \(path) ]; do sleep 0.02; done"
            )
            let end = await bench.end(of: task)
            #expect(end?.status == "succeeded")
            #expect(bench.text(task, .stdout) == "done\n")
            #expect(bench.text(task, .system).contains("holds its output open"))
            for pid in pids(path) {
                #expect(isAlive(pid))
                kill(pid, SIGKILL)
            }
        }
    }

    @Test func `that keep forking while they are ended are all ended`() async throws {
        try await RunnerBench.with(grace: .milliseconds(100)) { bench in
            let task = try await bench.submit(
                "trap '' TERM; echo begun; while :; do (trap '' TERM; sleep 0.3; sleep 600) & sleep 0.02; done")
            let pid = try #require(await bench.pid(of: task))
            _ = await eventually { bench.text(task, .stdout) == "begun\n" }
            _ = await bench.runner.cancel(TaskCancel(taskID: task.taskID, attempt: 1))
            #expect(await bench.end(of: task)?.status == "canceled")
            #expect(await ProcessSession(id: pid, reference: task).members(escaped: true).isEmpty)
        }
    }

    @Test func `of other tasks are left alone`() async throws {
        try await RunnerBench.with { bench in
            let other = try await bench.submit("sleep 600")
            let pid = try #require(await bench.pid(of: other))
            let task = try await bench.submit("sleep 600 & sleep 600")
            _ = await bench.pid(of: task)
            _ = await bench.runner.cancel(TaskCancel(taskID: task.taskID, attempt: 1))
            #expect(await bench.end(of: task)?.status == "canceled")
            #expect(isAlive(pid))
        }
    }
}
