// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Crypto
import Foundation
import NIOCore
import Synchronization
import Testing

@testable import TUI

/// Uploads over links that break, to a server that is full, of files that change.
@Suite struct UploadTests {
    private let store = FakeStore()
    private let place = ScratchFiles()

    private func uploader(
        _ content: any UploadContent, _ begin: FileBegin = FileBegin(name: "a.bin"), hashesFirst: Bool = false,
        report: @escaping @Sendable (UploadProgress) -> Void = { _ in }
    ) -> FileUploader {
        FileUploader(
            link: store, content: content, order: .init(begin: begin, hashesFirst: hashesFirst),
            retry: .milliseconds(1), report: report)
    }

    private func content(_ bytes: [UInt8]) throws -> FileContent {
        FileContent(try LocalFile(place.write(bytes)))
    }

    @Test(arguments: [0, 1, FileTransfer.chunk, FileTransfer.chunk + 1, UploadBlock.bytes, 20_000_001])
    func `what arrives is what was read, in pieces, and never too far ahead`(_ size: Int) async throws {
        let bytes = ScratchFiles.noise(size)
        let file = try await uploader(content(bytes)).run()
        let state = store.with { $0 }
        #expect(state.contents[file.id] == bytes)
        #expect(state.chunks.allSatisfy { $0.length <= FileTransfer.chunk && $0.length > 0 })
        #expect(state.ahead <= FileTransfer.window)
        #expect(state.opened.count == 1)
    }

    @Test func `a lost link goes on where the server is`() async throws {
        let bytes = ScratchFiles.noise(5_000_000)
        store.with { $0.breaksAt = 3_000_000 }
        let seen = Mutex<[UploadProgress]>([])
        let file = try await uploader(content(bytes)) { progress in seen.withLock { $0.append(progress) } }.run()
        let state = store.with { $0 }
        #expect(state.contents[file.id] == bytes)
        #expect(state.opened.count == 2)
        #expect(state.opened[1].at >= 3_000_000)
        #expect(state.opened[1].id != nil)
        let sent = state.chunks.reduce(0) { $0 + $1.length }
        #expect(sent == bytes.count, "nothing that the server had was sent again")
        #expect(seen.withLock { $0.contains { $0.stage == .waiting(FakeStore.cut.message) } })
    }

    @Test func `a full server is waited out, and not sent much meanwhile`() async throws {
        let bytes = ScratchFiles.noise(12_000_000)
        store.with { $0.room = 2_000_000 }
        let waits = Mutex(0)
        let uploader = uploader(try content(bytes)) { progress in
            guard case .waiting = progress.stage else { return }
            let count = waits.withLock { waits in
                waits += 1
                return waits
            }
            if count == 3 { self.store.with { $0.room = .max } }
        }
        let file = try await uploader.run()
        #expect(store.with { $0.contents[file.id] } == bytes)
        #expect(waits.withLock { $0 } >= 3)
    }

    @Test func `there is no room even to begin`() async throws {
        store.refuse(.open, DeployError(.insufficientStorage, "full"), DeployError(.rateLimited, "busy"))
        let file = try await uploader(content([1, 2, 3])).run()
        #expect(store.with { $0.contents[file.id] } == [1, 2, 3])
    }

    @Test func `an answer that is lost after the end does not store a second file`() async throws {
        store.with { $0.losesAnswer = true }
        let file = try await uploader(content([1, 2, 3])).run()
        #expect(store.with { $0.files.count } == 1)
        #expect(file.sha256 == ContentHash(digest: SHA256.hash(data: [1, 2, 3] as [UInt8])))
    }

    @Test func `who writes the upload over another connection is not fought with`() async throws {
        store.refuse(.chunk, DeployError(.conflict, "goes on over another connection"))
        let content = try content(ScratchFiles.noise(1_000_000))
        let error = await #expect(throws: DeployError.self) { try await uploader(content).run() }
        #expect(error?.code == .conflict)
        #expect(store.with { $0.opened.count } == 1)
    }

    @Test func `another process goes on, and knows the hash of what it did not send`() async throws {
        let bytes = ScratchFiles.noise(4_000_000)
        let id = UploadID.random()
        let begun = FileBegin(name: "a.bin", size: 4_000_000)
        store.with { $0.parts[id] = (begun, Array(bytes[..<2_500_000])) }
        let seen = Mutex<Set<String>>([])
        let uploader = uploader(try content(bytes), FileBegin(resuming: id)) { progress in
            seen.withLock { _ = $0.insert("\(progress.stage)") }
        }
        let file = try await uploader.run()
        #expect(store.with { $0.contents[file.id] } == bytes)
        #expect(store.with { $0.chunks.first?.offset } == 2_500_000)
        #expect(seen.withLock { $0.contains("reading") })
    }

    @Test func `an upload of another file is not gone on with`() async throws {
        let id = UploadID.random()
        store.with { $0.parts[id] = (FileBegin(name: "a.bin", size: 9), [1, 2]) }
        for bytes in [[1, 2, 3] as [UInt8], [1]] {
            let content = try content(bytes)
            let error = await #expect(throws: DeployError.self) {
                try await uploader(content, FileBegin(resuming: id)).run()
            }
            #expect(error?.code == .conflict)
        }
        // Of the same length, but another content: the server finds it out.
        let content = try content([9, 9, 3, 4, 5, 6, 7, 8, 9])
        let error = await #expect(throws: DeployError.self) {
            try await uploader(content, FileBegin(resuming: id)).run()
        }
        #expect(error?.code == .invalidArgument)
        #expect(store.with { $0.files.isEmpty })
    }

    @Test(arguments: [true, false])
    func `a file that changes while it is read is noticed`(_ grows: Bool) async throws {
        let path = place.write(ScratchFiles.noise(10_000_000))
        let content = FileContent(try LocalFile(path))
        let done = Mutex(false)
        let uploader = uploader(content) { progress in
            guard progress.done > 1_000_000, done.withLock({ $0.exchange(true) }) == false else { return }
            if grows { ScratchFiles.append([1], to: path) } else { ScratchFiles.truncate(path, to: 5) }
        }
        let error = await #expect(throws: DeployError.self) { try await uploader.run() }
        #expect(error?.code == .conflict)
        #expect(error?.message.contains(grows ? "changed" : "shorter") == true)
        #expect(store.with { $0.files.isEmpty }, "nothing is stored")
    }

    @Test func `content that the server has is not sent`() async throws {
        let bytes = ScratchFiles.noise(1_000_000)
        let known = store.store(FileBegin(name: "b.bin"), bytes)
        let file = try await uploader(content(bytes), hashesFirst: true).run()
        #expect(file.sha256 == known.sha256)
        #expect(store.with { $0.chunks.isEmpty })
    }

    @Test func `a stream is kept as far as the server may not have it`() async throws {
        let bytes = ScratchFiles.noise(6_000_000)
        let pipe = Pipe()
        let content = StreamContent(try LocalFile("/dev/fd/\(pipe.fileHandleForReading.fileDescriptor)"))
        let writer = Task.detached {
            for start in stride(from: 0, to: bytes.count, by: 50_000) {
                try pipe.fileHandleForWriting.write(contentsOf: bytes[start..<min(bytes.count, start + 50_000)])
            }
            try pipe.fileHandleForWriting.close()
        }
        store.with { $0.breaksAt = 2_000_000 }
        let file = try await uploader(content).run()
        try await writer.value
        #expect(store.with { $0.contents[file.id] } == bytes)
        #expect(store.with { $0.opened.count } == 2)
        // What was released cannot be asked for.
        let error = await #expect(throws: DeployError.self) { try await content.next(at: 0) }
        #expect(error?.code == .conflict)
    }

    @Test func `a wait for a stream ends with the task`() async throws {
        let pipe = Pipe()
        let content = StreamContent(try LocalFile("/dev/fd/\(pipe.fileHandleForReading.fileDescriptor)"))
        let task = Task { try await uploader(content).run() }
        while store.with({ $0.opened.isEmpty }) { await Task.yield() }
        task.cancel()
        let error = await #expect(throws: DeployError.self) { try await task.value }
        #expect(error?.code == .unavailable)
        withExtendedLifetime(pipe) {}
    }

    // MARK: batches

    @Test func `many small files are under way at once, within bounds, and each is stored once`() async throws {
        store.refuse(.put, DeployError(.insufficientStorage, "full"), FakeStore.cut)
        store.with { $0.gathers = 9 }
        let sources = (0..<500).map { number in
            let path = place.write(Array("file \(number)".utf8))
            return UploadSource(path: path, name: "f\(number)", size: Int64("file \(number)".utf8.count))
        }
        let outcome = await UploadBatch(link: store, options: .init(retry: .milliseconds(1))).run(sources)
        #expect(outcome.failure == nil)
        #expect(outcome.files.compactMap { $0?.name } == sources.map(\.name), "in the order of the list")
        let state = store.with { $0 }
        #expect(state.files.count == 500)
        #expect(state.mostInFlight <= 64 && state.mostInFlight > 8)
    }

    @Test func `a small file whose answer was lost is not stored twice`() async throws {
        store.with { $0.losesAnswer = true }
        let source = UploadSource(path: place.write([7]), name: "x", size: 1)
        let outcome = await UploadBatch(link: store, options: .init(retry: .milliseconds(1))).run([source])
        #expect(outcome.failure == nil && store.with { $0.files.count } == 1)
    }

    @Test func `what cannot be uploaded ends the batch, and says what is there already`() async throws {
        let small = UploadSource(path: place.write([1]), name: "a", size: 1)
        let large = UploadSource(path: place.write(ScratchFiles.noise(500_000)), name: "b", size: 500_000)
        store.refuse(.open, DeployError(.forbidden, "no"))
        let seen = Mutex<BatchProgress?>(nil)
        let batch = UploadBatch(link: store, options: .init()) { progress in seen.withLock { $0 = progress } }
        let outcome = await batch.run([large, small])
        #expect(outcome.failure?.code == .forbidden)
        #expect(outcome.files[0] == nil && outcome.files[1]?.name == "a")
        #expect(seen.withLock { $0?.total } == 500_001)
    }

    @Test func `a small file that has grown is not half a file`() async throws {
        let path = place.write(ScratchFiles.noise(FileTransfer.smallFile + 10))
        let outcome = await UploadBatch(link: store, options: .init())
            .run([UploadSource(path: path, name: "a", size: 5)])
        #expect(outcome.failure?.code == .conflict)
        #expect(store.with { $0.puts } == 0)
    }
}

extension Bool {
    /// Sets it and gives what it was.
    fileprivate mutating func exchange(_ value: Bool) -> Bool {
        defer { self = value }
        return self
    }
}
