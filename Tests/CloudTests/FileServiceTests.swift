// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Crypto
import Foundation
import NIOCore
import Testing

@testable import Cloud

extension CloudFixture {
    fileprivate func owner(_ name: String = "olga", scope: Scope = Scope()) -> FileService.Owner {
        FileService.Owner(.test(name, scope: scope))
    }

    /// Uploads some bytes in pieces and completes the upload.
    @discardableResult
    fileprivate func upload(
        _ bytes: [UInt8], name: String = "a.bin", piece: Int = 1000, by owner: FileService.Owner? = nil,
        environment: String? = nil, keep: Double? = nil
    ) async throws -> FileInfo {
        let owner = owner ?? self.owner()
        let begin = FileBegin(name: name, size: Int64(bytes.count), environment: environment, keep: keep)
        let (started, info) = try await files.begin(begin, by: owner)
        let upload = try #require(started)
        let writer = upload.take()
        for start in stride(from: 0, to: bytes.count, by: piece) {
            let part = ByteBuffer(bytes: bytes[start..<min(start + piece, bytes.count)])
            _ = try await files.append(part, at: Int64(start), to: upload, as: writer)
        }
        return try await files.commit(
            FileCommit(uploadID: info.id, size: Int64(bytes.count), sha256: Self.hash(bytes)), by: owner)
    }

    fileprivate static func hash(_ bytes: [UInt8]) -> ContentHash { ContentHash(digest: SHA256.hash(data: bytes)) }

    fileprivate func bytes(of file: FileInfo) async throws -> [UInt8] {
        let content = try await files.open(file)
        return Array(try await files.read(content, at: 0, length: Int(file.size) + 10).readableBytesView)
    }

    /// The names in a directory of the storage.
    fileprivate func names(_ directory: String) -> [String] {
        let path = self.directory + "/files/" + directory
        return (FileManager.default.enumerator(atPath: path)?.allObjects as? [String] ?? []).filter {
            var isDirectory: ObjCBool = false
            return FileManager.default.fileExists(atPath: path + "/" + $0, isDirectory: &isDirectory)
                && !isDirectory.boolValue
        }
    }

    fileprivate func expectError(
        _ code: ErrorCode, _ comment: Comment? = nil, location: SourceLocation = #_sourceLocation,
        _ act: () async throws -> Void
    ) async {
        let error = await #expect(throws: DeployError.self, comment, sourceLocation: location) { try await act() }
        #expect(error?.code == code, comment, sourceLocation: location)
    }
}

@Suite struct `Stored files` {
    private let bytes = (0..<50_000).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 7) }

    @Test func `have the content that was sent, and its hash`() async throws {
        let fixture = try await CloudFixture()
        let file = try await fixture.upload(bytes)
        #expect(file.sha256 == CloudFixture.hash(bytes) && file.size == 50_000 && file.actor == "olga")
        #expect(try await fixture.bytes(of: file) == bytes)
        #expect(fixture.names("parts").isEmpty && fixture.names("contents").count == 1)
        let empty = try await fixture.upload([], name: "empty")
        #expect(empty.size == 0)
        #expect(try await fixture.bytes(of: empty) == [])
    }

    @Test func `of the same content keep it once, also when they come at the same time`() async throws {
        let fixture = try await CloudFixture()
        let bytes = bytes
        let files = try await withThrowingTaskGroup(of: FileInfo.self) { group in
            for number in 0..<8 { group.addTask { try await fixture.upload(bytes, name: "f\(number)") } }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        #expect(Set(files.map(\.id)).count == 8 && fixture.names("contents").count == 1)
        for file in files.dropFirst() {
            try await fixture.service.removeFile(file.id.rawValue, as: .test("olga"))
        }
        #expect(try await fixture.bytes(of: files[0]) == bytes, "one is left, and with it the content")
        try await fixture.service.removeFile(files[0].id.rawValue, as: .test("olga"))
        #expect(fixture.names("contents").isEmpty)
    }

    @Test func `whose content is known are not sent again, but only to who sees them`() async throws {
        let fixture = try await CloudFixture()
        let prod = fixture.owner("pia", scope: Scope(environments: ["prod"]))
        let first = try await fixture.upload(bytes, by: prod)
        let begin = FileBegin(name: "again", size: first.size, sha256: first.sha256)
        let (upload, info) = try await fixture.files.begin(begin, by: prod)
        #expect(upload == nil && info.file?.sha256 == first.sha256 && info.file?.id != first.id)
        let (other, there) = try await fixture.files.begin(
            begin, by: fixture.owner("tom", scope: Scope(environments: ["test"])))
        #expect(other != nil && there.file == nil, "who does not see it has to show that it has the content")
    }

    @Test func `go on after a cut from where they stood, and after a restart`() async throws {
        let fixture = try await CloudFixture()
        let owner = fixture.owner()
        let (started, info) = try await fixture.files.begin(FileBegin(name: "a", size: 50_000), by: owner)
        let upload = try #require(started)
        let old = upload.take()
        _ = try await fixture.files.append(ByteBuffer(bytes: bytes[..<20_000]), at: 0, to: upload, as: old)
        let (same, at) = try await fixture.files.begin(FileBegin(resuming: info.id), by: owner)
        #expect(same === upload && at.offset == 20_000)
        let writer = upload.take()
        await fixture.expectError(.conflict, "the old connection is out") {
            _ = try await fixture.files.append(ByteBuffer(bytes: bytes[20_000...]), at: 20_000, to: upload, as: old)
        }
        await fixture.expectError(.conflict, "no gap") {
            _ = try await fixture.files.append(ByteBuffer(bytes: [1]), at: 20_001, to: upload, as: writer)
        }
        // What comes twice is passed over.
        let repeated = ByteBuffer(bytes: bytes[10_000..<30_000])
        #expect(try await fixture.files.append(repeated, at: 10_000, to: upload, as: writer) == 30_000)
        await fixture.expectError(.notFound, "another's upload is not there") {
            _ = try await fixture.files.begin(FileBegin(resuming: info.id), by: fixture.owner("eve"))
        }

        // Another process finds the part on the disk.
        let next = FileService(
            store: fixture.store, storage: fixture.files.storage, threads: fixture.files.threads,
            settings: FileSettings(), logger: fixture.files.logger)
        let (found, resumed) = try await next.begin(FileBegin(resuming: info.id), by: owner)
        #expect(resumed.offset == 30_000)
        let rest = try #require(found)
        _ = try await next.append(ByteBuffer(bytes: bytes[30_000...]), at: 30_000, to: rest, as: rest.take())
        let file = try await next.commit(
            FileCommit(uploadID: info.id, size: 50_000, sha256: CloudFixture.hash(bytes)), by: owner)
        #expect(try await fixture.bytes(of: file) == bytes)
    }

    @Test func `that are not what was announced are refused, and nothing is kept`() async throws {
        let fixture = try await CloudFixture()
        let owner = fixture.owner()
        let (started, info) = try await fixture.files.begin(FileBegin(name: "a", size: 10), by: owner)
        let upload = try #require(started)
        let writer = upload.take()
        await fixture.expectError(.invalidArgument, "more than announced") {
            _ = try await fixture.files.append(ByteBuffer(bytes: bytes[..<11]), at: 0, to: upload, as: writer)
        }
        _ = try await fixture.files.append(ByteBuffer(bytes: bytes[..<9]), at: 0, to: upload, as: writer)
        await fixture.expectError(.conflict, "bytes are missing") {
            _ = try await fixture.files.commit(FileCommit(uploadID: info.id), by: owner)
        }
        _ = try await fixture.files.append(ByteBuffer(bytes: bytes[9..<10]), at: 9, to: upload, as: writer)
        await fixture.expectError(.invalidArgument, "another content") {
            _ = try await fixture.files.commit(
                FileCommit(uploadID: info.id, sha256: CloudFixture.hash([1])), by: owner)
        }
        #expect(fixture.names("parts").isEmpty && fixture.names("contents").isEmpty)
        #expect(try await fixture.service.fileList(FileListQuery(), as: .test("olga")).items.isEmpty)
    }

    @Test(arguments: ["", ".", "..", "a/b", "a\\b", "a\nb", "a\0b", "\u{202E}x", String(repeating: "x", count: 256)])
    func `with a name that is none are refused`(name: String) async throws {
        let fixture = try await CloudFixture()
        await fixture.expectError(.invalidArgument) {
            _ = try await fixture.files.begin(FileBegin(name: name), by: fixture.owner())
        }
        #expect(fixture.names("parts").isEmpty)
    }

    @Test func `are refused beyond the quota, the largest size and the disk's reserve`() async throws {
        var settings = FileSettings()
        settings.quota = 60_000
        settings.maximumSize = 55_000
        let fixture = try await CloudFixture(settings)
        let owner = fixture.owner()
        await fixture.expectError(.tooLarge) {
            _ = try await fixture.files.begin(FileBegin(name: "a", size: 55_001), by: owner)
        }
        _ = try await fixture.upload(bytes)
        await fixture.expectError(.insufficientStorage) {
            _ = try await fixture.files.begin(FileBegin(name: "a", size: 10_001), by: owner)
        }
        _ = try await fixture.files.begin(FileBegin(name: "a", size: 6000), by: owner)
        await fixture.expectError(.insufficientStorage, "what another has announced is taken") {
            _ = try await fixture.files.begin(FileBegin(name: "b", size: 6000), by: owner)
        }
        settings.quota = nil
        settings.reserve = Int64.max / 2
        let full = try await CloudFixture(settings)
        await full.expectError(.insufficientStorage) {
            _ = try await full.files.begin(FileBegin(name: "a", size: 1), by: owner)
        }
    }

    @Test func `are swept when their time has run out, unless a task needs them`() async throws {
        let fixture = try await CloudFixture()
        let agent = try await fixture.agent("a")
        let kept = try await fixture.upload(bytes, name: "kept")
        let old = try await fixture.upload(Array(bytes[..<100]), name: "old", keep: 1)
        let needed = try await fixture.upload(Array(bytes[..<200]), name: "needed", keep: 1)
        let spec = TaskSpec(type: "file", command: "put /srv/x", fileID: needed.id.rawValue)
        let run = try await fixture.tasks.create(
            RunCreate(selector: TargetSelector(agents: [agent.name]), spec: spec), as: .test("olga"))
        #expect(
            run.run.spec.params["files"]
                == .array([
                    FileParameters.Item(fileID: needed.id, size: 200, sha256: needed.sha256).value
                ]))
        try await fixture.store.write {
            _ = try $0.execute("UPDATE files SET expires_at = 1 WHERE keep = 1000", [])
        }
        try await fixture.files.sweep()
        let left = try await fixture.service.fileList(FileListQuery(), as: .test("olga")).items.map(\.name)
        #expect(Set(left) == ["kept", "needed"], "\(old.id)")
        #expect(fixture.names("contents").count == 2)
        await fixture.expectError(.conflict) {
            try await fixture.service.removeFile(needed.id.rawValue, as: .test("olga"))
        }
        _ = try await fixture.tasks.cancel(run.tasks.map(\.id), grace: nil, as: .test("olga"))
        try await fixture.files.sweep()
        #expect(try await fixture.service.fileList(FileListQuery(), as: .test("olga")).items.map(\.id) == [kept.id])
    }

    @Test func `of one environment are not there for operators of another`() async throws {
        let fixture = try await CloudFixture()
        let pia = Principal.test("pia", role: .operator, scope: Scope(environments: ["prod"]))
        let tom = Principal.test("tom", role: .operator, scope: Scope(environments: ["test"]))
        let both = Principal.test("bea", role: .operator, scope: Scope(environments: ["prod", "test"]))
        let narrow = Principal.test("nina", scope: Scope(environments: ["prod"], labels: ["team": "x"]))
        let file = try await fixture.upload(bytes, by: FileService.Owner(pia))
        #expect(file.environment == "prod")
        let everywhere = try await fixture.upload([1, 2, 3], name: "all")
        for (principal, isSeen) in [(pia, true), (both, true), (tom, false), (narrow, false)] {
            let listed = try await fixture.service.fileList(FileListQuery(), as: principal).items
            #expect(listed.contains { $0.id == file.id } == isSeen, "\(principal.name)")
            #expect(!listed.contains { $0.id == everywhere.id }, "\(principal.name)")
            guard !isSeen else { continue }
            for request in [
                OperatorRequest.fileShow(ObjectQuery(id: file.id.rawValue)),
                .fileRemove(ObjectQuery(id: file.id.rawValue)),
            ] {
                await fixture.expectError(.notFound, "\(principal.name) \(request.type)") {
                    _ = try await fixture.service.answer(request, as: principal)
                }
            }
            await fixture.expectError(.notFound, "\(principal.name)") {
                _ = try await fixture.service.openFile(file.id.rawValue, as: principal)
            }
        }
        _ = try await fixture.agent("t", environment: "test")
        await fixture.expectError(.notFound, "another's file cannot be pushed either") {
            _ = try await fixture.tasks.create(
                RunCreate(
                    selector: TargetSelector(agents: ["t"]),
                    spec: TaskSpec(type: "file", command: "put /srv/x", fileID: file.id.rawValue)), as: tom)
        }
        await fixture.expectError(.invalidArgument, "which of the two?") {
            _ = try await fixture.files.begin(FileBegin(name: "a"), by: FileService.Owner(both))
        }
        await fixture.expectError(.notFound) {
            _ = try await fixture.files.begin(FileBegin(name: "a", environment: "prod"), by: FileService.Owner(tom))
        }
    }

    @Test func `and a random mix of uploads, removals and sweeps never lose or tear a content`() async throws {
        let fixture = try await CloudFixture()
        let contents = (0..<4).map { seed in (0..<20_000).map { UInt8(truncatingIfNeeded: $0 &* (seed + 3)) } }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for worker in 0..<6 {
                group.addTask {
                    var random = SystemRandomNumberGenerator()
                    for round in 0..<12 {
                        let content = contents[Int.random(in: 0..<contents.count, using: &random)]
                        let file = try await fixture.upload(content, name: "w\(worker)-\(round)", piece: 4096)
                        #expect(try await fixture.bytes(of: file) == content)
                        if Bool.random(using: &random) {
                            try await fixture.service.removeFile(file.id.rawValue, as: .test("olga"))
                        }
                    }
                }
            }
            group.addTask { for _ in 0..<20 { try await fixture.files.sweep() } }
            try await group.waitForAll()
        }
        // Whatever is listed is whole, and nothing else is kept.
        let files = try await fixture.service.fileList(FileListQuery(limit: 200), as: .test("olga")).items
        for file in files {
            #expect(CloudFixture.hash(try await fixture.bytes(of: file)) == file.sha256)
        }
        #expect(fixture.names("contents").count == Set(files.map(\.sha256)).count && fixture.names("parts").isEmpty)
    }
}

@Suite struct `Ranges of bytes` {
    @Test(
        arguments: [
            (nil, 0, 100, false), ("bytes=0-9", 0, 10, true), ("bytes=90-", 90, 10, true), ("bytes=-5", 95, 5, true),
            ("bytes=50-500", 50, 50, true), ("bytes=-500", 0, 100, true), ("bytes=9-3", 0, 100, false),
            ("bytes=0-1,5-6", 0, 100, false), ("items=0-9", 0, 100, false), ("bytes=a-b", 0, 100, false),
            ("bytes=99999999999999999999-", 0, 100, false),
        ] as [(String?, Int64, Int64, Bool)])
    func `are read as a server may`(header: String?, start: Int64, length: Int64, isPartial: Bool) {
        let found = ByteRange.asked(header, of: 100)
        #expect(found?.range == ByteRange(start: start, length: length) && found?.isPartial == isPartial)
    }

    @Test func `outside of the content are none`() {
        #expect(ByteRange.asked("bytes=100-", of: 100) == nil && ByteRange.asked("bytes=-0", of: 100) == nil)
        #expect(ByteRange.asked("bytes=0-", of: 0) == nil)
    }

    @Test func `of what is sent say where it belongs`() throws {
        let (range, size) = try ByteRange.sent("bytes 5-9/20")
        #expect(range == ByteRange(start: 5, length: 5) && size == 20)
        #expect(try ByteRange.sent("bytes 5-9/*").size == nil)
        for bad in ["", "bytes 9-5/20", "bytes 5-20/20", "bytes */20", "bytes 5-9", "bytes -9/20", "5-9/20"] {
            #expect(throws: DeployError.self, "\(bad)") { try ByteRange.sent(bad) }
        }
    }
}
