// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import NIOCore

extension OperatorService {
    func fileList(_ query: FileListQuery, as principal: Principal) async throws -> Page<FileInfo> {
        let limit = try Self.limit(query.limit, default: 50)
        let cursor = try ListCursor(query.cursor)
        return try await store.read { transaction in
            let items = try FileTable.list(query, before: cursor, limit: limit, as: principal, transaction)
            return Self.page(items, limit) { ListCursor(createdAt: $0.createdAt, id: $0.id.rawValue) }
        }
    }

    func file(_ prefix: String, as principal: Principal) async throws -> FileInfo {
        try await store.read { try Self.file(prefix, as: principal, $0) }
    }

    /// Removes a file; throws `conflict` while an unfinished task needs it.
    func removeFile(_ prefix: String, as principal: Principal) async throws {
        let places = try await store.write { transaction -> [String] in
            let file = try Self.file(prefix, as: principal, transaction)
            if let run = try FileTable.user(of: file.id, transaction) {
                throw DeployError(
                    .conflict, "file \(file.id) is needed by run \(run)", hint: "wait for it, or cancel it")
            }
            try FileTable.remove(file.id, transaction)
            var record = AuditRecord(.fileRemove, as: principal)
            record.env = file.environment
            try AuditTrail.append(record.with(file.auditDetail), transaction)
            return try FileTable.dropContents(limit: 100, transaction)
        }
        let storage = files.storage
        try await files.threads.run { () throws(DeployError) in for place in places { storage.remove(place) } }
    }

    /// Where a file's content is, for somebody who is about to read it: that is recorded first.
    func openFile(_ prefix: String, as principal: Principal) async throws -> (FileInfo, ContentFile) {
        let file = try await store.write { transaction -> FileInfo in
            let file = try Self.file(prefix, as: principal, transaction)
            try FileTable.touch(file.id, at: .now(), transaction)
            var record = AuditRecord(.fileRead, as: principal)
            record.env = file.environment
            try AuditTrail.append(record.with(file.auditDetail), transaction)
            return file
        }
        return (file, try await files.open(file))
    }

    func removeUpload(_ text: String, as principal: Principal) async throws {
        guard let id = UploadID(text), let upload = try await files.uploads(as: principal).first(where: { $0.id == id })
        else { throw DeployError(.notFound, "there is no upload '\(text.prefix(64))'") }
        await files.remove(upload.id)
    }

    func uploads(as principal: Principal) async throws -> Page<UploadInfo> {
        Page(items: Array(try await files.uploads(as: principal).prefix(200)), next: nil)
    }

    private static func file(
        _ prefix: String, as principal: Principal, _ transaction: any SQLTransaction
    ) throws -> FileInfo {
        guard
            let id = try unique(
                "file", prefix, FileID(prefix), find: { try FileTable.ids(prefix: $0, as: principal, transaction) }),
            let file = try FileTable.find(id: id, as: principal, transaction)
        else {
            throw DeployError(
                .notFound, "no file starts with '\(prefix.prefix(64))'", hint: "tiangong file list")
        }
        return file
    }
}

extension FileService.Owner {
    /// An operator.
    init(_ principal: Principal) {
        self.init(actor: principal.name, principal: principal, task: nil)
    }
}
