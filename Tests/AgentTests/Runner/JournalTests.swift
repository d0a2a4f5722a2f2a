// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import NIOCore
import Testing

@testable import Agent

@Suite struct `The journal` {
    private func completion(_ reference: TaskReference) -> TaskCompletion {
        var completion = TaskCompletion(taskID: reference.taskID, attempt: reference.attempt, status: "succeeded")
        completion.exitCode = 0
        return completion
    }

    private func reference() -> TaskReference { TaskReference(taskID: .random(), attempt: 1) }

    @Test func `remembers starts and ends over a restart, and forgets what is acknowledged`() async throws {
        try await withTemporaryDirectory { directory in
            let (running, ended, gone) = (reference(), reference(), reference())
            do {
                let journal = try TaskJournal(directory + "/journal")
                for task in [running, ended, gone] { try await journal.start(task, at: .now()) }
                try journal.write(.spawned(running, .init(id: 42, startTicks: 7, boot: "b")))
                try journal.write(.end(completion(ended)))
                try journal.write(.end(completion(gone)))
                try journal.write(.forget(gone))
            }
            let entries = try TaskJournal(directory + "/journal").entries
            #expect(Set(entries.keys) == [running, ended])
            #expect(entries[running]?.completion == nil)
            #expect(entries[running]?.session?.id == 42)
            #expect(entries[ended]?.completion == completion(ended))
        }
    }

    @Test func `refuses to start an attempt twice, also after a restart`() async throws {
        try await withTemporaryDirectory { directory in
            let task = reference()
            let journal = try TaskJournal(directory + "/journal")
            try await journal.start(task, at: .now())
            await #expect(throws: DeployError.self) { try await journal.start(task, at: .now()) }
            let later = try TaskJournal(directory + "/journal")
            await #expect(throws: DeployError.self) { try await later.start(task, at: .now()) }
        }
    }

    @Test func `cuts a torn tail wherever it was torn and goes on behind it`() async throws {
        try await withTemporaryDirectory { directory in
            let path = directory + "/journal"
            let (first, second) = (reference(), reference())
            let journal = try TaskJournal(path)
            try await journal.start(first, at: .now())
            let kept = try StateFile(path).size()
            try await journal.start(second, at: .now())
            let file = try StateFile(path)
            let whole = try file.read(at: 0, length: try file.size())
            for cut in stride(from: kept, to: whole.readableBytes, by: 7) {
                try file.truncate(to: 0)
                try file.write(whole, at: 0)
                try file.truncate(to: cut)
                let torn = try TaskJournal(path)
                #expect(Set(torn.entries.keys) == [first])
                try await torn.start(second, at: .now())
                #expect(Set(try TaskJournal(path).entries.keys) == [first, second])
            }
        }
    }

    @Test func `does not believe a record whose bytes have changed`() async throws {
        try await withTemporaryDirectory { directory in
            let path = directory + "/journal"
            let task = reference()
            try await TaskJournal(path).start(task, at: .now())
            try StateFile(path).write(ByteBuffer(string: "X"), at: 20)
            #expect(try TaskJournal(path).entries.isEmpty)
        }
    }

    @Test func `a thousand starts at once share synchronisations and all return`() async throws {
        try await withTemporaryDirectory { directory in
            let journal = try TaskJournal(directory + "/journal")
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<1000 {
                    let task = reference()
                    group.addTask { try await journal.start(task, at: .now()) }
                }
                try await group.waitForAll()
            }
            #expect(try TaskJournal(directory + "/journal").entries.count == 1000)
        }
    }

    @Test func `stays small over many tasks and keeps what is open`() async throws {
        try await withTemporaryDirectory { directory in
            let path = directory + "/journal"
            let journal = try TaskJournal(path)
            let open = reference()
            try await journal.start(open, at: .now())
            for _ in 0..<8000 {
                let task = reference()
                try journal.write(.end(completion(task)))
                try journal.write(.forget(task))
            }
            #expect(try StateFile(path).size() < TaskJournal.compactionFloor + 4096)
            #expect(Set(try TaskJournal(path).entries.keys) == [open])
        }
    }

    @Test func `is known by its directory, not by a copy of it`() async throws {
        try await withTemporaryDirectory { directory in
            let id = try StateDirectory(directory + "/a").id
            #expect(id.utf8.count == 32)
            #expect(try StateDirectory(directory + "/a").id == id, "after a restart")
            #expect(try StateDirectory(directory + "/b").id != id)
            try StateDirectory.create(directory + "/copy")
            try write(contents(of: directory + "/a/lock"), to: directory + "/copy/lock")
            #expect(try StateDirectory(directory + "/copy").id != id)
        }
    }
}
