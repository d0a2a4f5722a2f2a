// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Glibc

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// Content in a directory: `parts/ID` and `parts/ID.json` while it arrives, `contents/ab/…` once it is complete.
struct DirectoryStorage: FileStorage {
    private let partsPath: String
    private let contentsPath: String

    /// Makes the directories, for the server's account only. Throws `internal`.
    init(_ directory: String) throws(DeployError) {
        partsPath = directory + "/parts"
        contentsPath = directory + "/contents"
        for path in [directory, partsPath, contentsPath] { try PrivateFile.makeDirectory(path) }
    }

    // MARK: Parts

    func createPart(_ record: PartRecord) throws(DeployError) -> PartFile {
        guard let json = try? JSONEncoder().encode(record) else {
            throw DeployError(.internal, "an upload's record cannot be written as JSON")
        }
        let path = self.path(record.id)
        let file = Glibc.open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard file >= 0 else { throw FileFailure.make("make", "a part") }
        let part = PartFile(id: record.id, owning: file)
        do throws(DeployError) {
            try PrivateFile.write(String(decoding: json, as: UTF8.self), to: path + ".json", mode: 0o600)
        } catch {
            unlink(path)
            if free() < 1 << 20 { throw DeployError(.insufficientStorage, error.message, hint: error.hint) }
            throw error
        }
        return part
    }

    func openPart(_ id: UploadID) throws(DeployError) -> (PartRecord, PartFile) {
        guard let record = record(id) else {
            throw DeployError(.notFound, "there is no upload \(id)", hint: "tiangong file list --uploads")
        }
        let file = Glibc.open(path(id), O_RDWR | O_CLOEXEC | O_NOFOLLOW)
        guard file >= 0 else { throw FileFailure.make("open", "a part") }
        return (record, PartFile(id: id, owning: file))
    }

    func parts() -> [(record: PartRecord, size: Int64, writtenAt: Timestamp)] {
        Self.names(in: partsPath).compactMap { name in
            guard let id = UploadID(name), let record = record(id) else { return nil }
            var status = stat()
            guard lstat(path(id), &status) == 0 else { return nil }
            return (record, Int64(status.st_size), Self.time(status))
        }
    }

    func removePart(_ id: UploadID) {
        unlink(path(id))
        unlink(path(id) + ".json")
    }

    private func record(_ id: UploadID) -> PartRecord? {
        guard let data = try? Data(contentsOf: URL(filePath: path(id) + ".json")), data.count <= 65_536 else {
            return nil
        }
        return try? JSONDecoder().decode(PartRecord.self, from: data)
    }

    private func path(_ id: UploadID) -> String { "\(partsPath)/\(id.rawValue)" }

    // MARK: Contents

    func place(_ part: PartFile, at location: String) throws(DeployError) {
        guard fsync(part.descriptor) == 0 else { throw FileFailure.make("sync", "a file's content") }
        let path = self.path(location)
        let directory = String(path[..<(path.lastIndex(of: "/") ?? path.startIndex)])
        try PrivateFile.makeDirectory(directory)
        guard rename(self.path(part.id), path) == 0 else { throw FileFailure.make("place", "a file's content") }
        unlink(self.path(part.id) + ".json")
        try sync(directory)
    }

    func open(_ location: String) throws(DeployError) -> ContentFile {
        let file = Glibc.open(path(location), O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
        guard file >= 0 else {
            if errno == ENOENT { throw DeployError(.notFound, "the content is not there any more") }
            throw FileFailure.make("open", "a file's content")
        }
        return ContentFile(owning: file)
    }

    func remove(_ location: String) { unlink(path(location)) }

    func locations() -> [(location: String, since: Timestamp)] {
        Self.names(in: contentsPath).flatMap { prefix in
            Self.names(in: "\(contentsPath)/\(prefix)").compactMap { name in
                var status = stat()
                guard lstat("\(contentsPath)/\(prefix)/\(name)", &status) == 0 else { return nil }
                return (name, Self.time(status, changed: true))
            }
        }
    }

    func free() -> Int64 {
        var status = statvfs()
        guard statvfs(contentsPath, &status) == 0 else { return 0 }
        return Int64(clamping: UInt64(status.f_bavail) &* UInt64(status.f_frsize))
    }

    /// A place's file: below the first two digits of its content's hash, which its name begins with.
    private func path(_ location: String) -> String { "\(contentsPath)/\(location.prefix(2))/\(location)" }

    private func sync(_ directory: String) throws(DeployError) {
        let descriptor = Glibc.open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw FileFailure.make("open", "the directory of files") }
        defer { close(descriptor) }
        guard fsync(descriptor) == 0 else { throw FileFailure.make("sync", "the directory of files") }
    }

    private static func names(in directory: String) -> [String] {
        (try? FileManager.default.contentsOfDirectory(atPath: directory)) ?? []
    }

    private static func time(_ status: stat, changed: Bool = false) -> Timestamp {
        let time = changed ? status.st_ctim : status.st_mtim
        return Timestamp(milliseconds: Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000)
    }
}
