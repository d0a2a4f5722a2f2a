// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Foundation
import Logging
import Testing

@testable import Agent

private let quiet = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

private func record(_ number: Int = 0) -> AuditRecord {
    var record = AuditRecord(action: "task.start", actor: "olga")
    record.command = "echo \(number)"
    return record
}

private func log(_ directory: String, rotation: Int64 = AuditLog.rotationSize) -> AuditLog {
    AuditLog(directory + "/audit", logger: quiet, rotation: rotation)
}

private func findings(_ log: AuditLog, held: [AuditCheckpoint] = []) throws -> [AuditFinding] {
    try log.verify(chain: "test", held: held.isEmpty ? [] : [.init(by: "the Cloud", held)]).findings
}

private func records(_ directory: String) throws -> [AuditRecord] {
    try contents(of: directory + "/audit/audit.jsonl").split(separator: "\n").map {
        try JSONDecoder().decode(AuditRecord.self, from: Data($0.utf8))
    }
}

@Suite(.timeLimit(.minutes(10))) struct `The agent's audit` {
    @Test func `is a chain that goes on after a restart`() async throws {
        try await withTemporaryDirectory { directory in
            for _ in 0..<3 {
                let log = log(directory)
                await withTaskGroup(of: Void.self) { group in
                    for number in 0..<40 { group.addTask { try? await log.write(record(number)) } }
                }
                log.note(record())
                _ = log.checkpoint()
            }
            #expect(try records(directory).map(\.seq) == Array(1...123))
            let report = try log(directory).verify(chain: "test", held: [])
            #expect(report.isWhole, "\(report.findings)")
            #expect(report.records == 123 && report.checkpoints == 3)
            let attributes = try FileManager.default.attributesOfItem(atPath: directory + "/audit/key")
            #expect(attributes[.posixPermissions] as? Int == 0o600)
        }
    }

    @Test func `signs a checkpoint every 256 records`() async throws {
        try await withTemporaryDirectory { directory in
            let log = log(directory)
            for number in 0..<600 { log.note(record(number)) }
            #expect(AuditStore.read(checkpoints: log.store.checkpoints).map(\.seq) == [256, 512])
        }
    }

    @Test func `is rotated into files that hang together`() async throws {
        try await withTemporaryDirectory { directory in
            let log = log(directory, rotation: 4000)
            for number in 0..<60 { try await log.write(record(number)) }
            #expect(log.store.archives.count >= 3)
            #expect(try findings(log).isEmpty)
            let again = Agent.AuditLog(directory + "/audit", logger: quiet, rotation: 4000)
            for number in 0..<20 { try await again.write(record(number)) }
            #expect(try findings(again).isEmpty)
            // A whole part that is taken away is missed, by its records.
            let first = try #require(log.store.archives.first)
            let next = try #require(log.store.archives.dropFirst().first)
            try FileManager.default.removeItem(atPath: first)
            let found = try findings(again)
            #expect(found.map(\.kind) == [.deleted] && found.first?.seq == 1)
            let start = try #require(AuditLine(String(contents(of: next).prefix { $0 != "\n" })))
            #expect(found.first?.through == start.seq - 1)
        }
    }

    @Test(arguments: [7, 1]) func `cuts a torn line off, says so, and is still found out`(bytes: Int) async throws {
        try await withTemporaryDirectory { directory in
            let first = log(directory)
            for number in 1...5 { try await first.write(record(number)) }
            let point = try #require(first.checkpoint())
            let text = contents(of: first.store.current)
            try write(String(text.dropLast(bytes)), to: first.store.current)
            let torn = try findings(first, held: [point])
            #expect(bytes == 1 || torn.contains { $0.kind == .unreadable && $0.seq == 5 }, "\(torn)")
            let second = log(directory)
            try await second.write(record(6))
            let all = try records(directory)
            #expect(all.dropFirst(4).map(\.action) == ["audit.repair", "task.start"])
            #expect(all[4].detail?["problem"]?.stringValue?.contains("torn") == true)
            let found = try findings(second, held: [point])
            #expect(found.contains { $0.kind == .checkpoint && $0.seq == 5 }, "\(found)")
        }
    }

    @Test func `goes on behind garbage, which is named`() async throws {
        try await withTemporaryDirectory { directory in
            let first = log(directory)
            for number in 1...5 { try await first.write(record(number)) }
            try write(contents(of: first.store.current) + "garbage\n", to: first.store.current)
            let second = log(directory)
            try await second.write(record(6))
            let found = try findings(second)
            #expect(found.map(\.kind) == [.unreadable] && found.first?.seq == 6, "\(found)")
        }
    }

    @Test func `notices that its file was changed under it`() async throws {
        for tamper in ["removed", "emptied", "replaced", "cut"] {
            try await withTemporaryDirectory { directory in
                let log = log(directory)
                for number in 1...5 { try await log.write(record(number)) }
                let (path, text) = (log.store.current, contents(of: log.store.current))
                switch tamper {
                case "removed": unlink(path)
                case "emptied": try write("", to: path)
                case "replaced":
                    try write(text, to: path + ".copy")
                    rename(path + ".copy", path)
                default:
                    let lines = text.split(separator: "\n").prefix(3)
                    try write(lines.joined(separator: "\n") + "\n", to: path)
                }
                try await log.write(record(6))
                let all = try records(directory)
                #expect(all.suffix(2).map(\.action) == ["audit.repair", "task.start"], "\(tamper)")
                #expect(all.suffix(2).map(\.seq) == [6, 7], "\(tamper): numbers are not used twice")
                let found = try findings(log)
                let expected: [Int64] = ["removed": [1], "emptied": [1], "replaced": [], "cut": [4]][tamper] ?? []
                #expect(found.map(\.seq) == expected && found.allSatisfy { $0.kind == .deleted }, "\(tamper): \(found)")
            }
        }
    }

    @Test func `that cannot be written says so, and can be again without a restart`() async throws {
        try await withTemporaryDirectory { directory in
            let log = log(directory)
            try await log.write(record(1))
            rename(directory + "/audit", directory + "/aside")
            try write("in the way", to: directory + "/audit")
            let error = await #expect(throws: DeployError.self) { try await log.write(record(2)) }
            #expect(error?.code == .unavailable)
            #expect(error?.message.hasPrefix("the audit cannot be written: ") == true)
            unlink(directory + "/audit")
            rename(directory + "/aside", directory + "/audit")
            try await log.write(record(3))
            #expect(try records(directory).map(\.command) == ["echo 1", "echo 3"])
            #expect(try findings(log).isEmpty)
        }
    }
}

@Suite(.timeLimit(.minutes(10))) struct `A task and the audit` {
    @Test func `leaves a line before it starts and one at its end, with names of variables only`() async throws {
        try await RunnerBench.with { bench in
            let seen = bench.directory + "/seen"
            let task = try await bench.submit(
                "cp \(bench.directory)/audit/audit.jsonl \(seen)",
                params: ["env": .object(["PASSWORD": .string("hunter2")]), "stdin": .string("s3cr3t")])
            #expect(await bench.end(of: task)?.status == "succeeded")
            let before = try JSONDecoder().decode(AuditRecord.self, from: Data(contents(of: seen).utf8))
            #expect(before.action == "task.start" && before.task == task.taskID.rawValue && before.attempt == 1)
            #expect(before.verdict == "allow" && before.actor == "test")
            #expect(before.detail?["env"] == .array([.string("PASSWORD")]))
            let all = contents(of: bench.audit.store.current)
            #expect(!all.contains("hunter2") && !all.contains("s3cr3t"))
            #expect(try records(bench.directory).map(\.action) == ["task.start", "task.end"])
            #expect(try records(bench.directory).last?.result == "succeeded")
        }
    }

    @Test func `is refused and recorded so when the policy says no`() async throws {
        try await RunnerBench.with { bench in
            let end = try await bench.run("rm -rf /").end
            #expect(end?.status == "rejected")
            let line = try #require(try records(bench.directory).first)
            #expect(line.action == "task.refused" && line.verdict == "deny" && line.rule == "D1")
            #expect(line.command == "rm -rf /" && line.result == "policy_denied")
        }
    }

    @Test func `is rejected while the audit cannot be written, and nothing of it runs`() async throws {
        try await RunnerBench.with { bench in
            let path = bench.directory + "/audit"
            try write("in the way", to: path)
            let marker = bench.directory + "/ran"
            let end = try await bench.run("touch \(marker)").end
            #expect(end?.status == "rejected" && end?.error?.code == "unavailable")
            #expect(end?.error?.message.contains("the audit cannot be written") == true, "\(end as Any)")
            #expect(!FileManager.default.fileExists(atPath: marker))
            unlink(path)
            #expect(try await bench.run("touch \(marker)").end?.status == "succeeded")
            #expect(FileManager.default.fileExists(atPath: marker))
        }
    }
}

@Suite struct `The agent as a witness of the Cloud` {
    @Test func `keeps what is newer and raises an alarm at what goes back`() async throws {
        try await withTemporaryDirectory { directory in
            let log = log(directory)
            try await log.write(record())
            let witness = CloudWitness(log, logger: quiet)
            let key = try AuditSigner(path: directory + "/key")
            func point(_ seq: Int64, _ head: String, by signer: AuditSigner) throws -> AuditCheckpoint {
                try signer.checkpoint(AuditChain.Head(seq: seq, hash: head))
            }
            for seq in [10, 20, 30] { witness.take(try point(Int64(seq), "h\(seq)", by: key)) }
            #expect(witness.held.map(\.seq) == [10, 20, 30])
            witness.take(try point(25, "h25", by: key))
            witness.take(try point(40, "h40", by: try AuditSigner(path: directory + "/other")))
            var forged = try point(50, "h50", by: key)
            forged.head = "x"
            witness.take(forged)
            #expect(CloudWitness(log, logger: quiet).newest?.seq == 30)
            #expect(try records(directory).map(\.action) == ["task.start", "audit.alarm"], "told once")
        }
    }
}
