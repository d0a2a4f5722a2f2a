// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// What comes of what is asked about files.
enum FileEvent: Equatable, Sendable {
    case listed([FileInfo])
    case listFailed(DeployError)
    case removed(FileID)
    /// An upload of this console goes on; when.
    case progress(Int, UploadProgress, Timestamp)
    case uploaded(Int, FileInfo)
    case uploadFailed(Int, DeployError)
    case stopped(Int)
    /// What was typed of a path, how it goes on, and the names that are possible.
    case completed(String, String, [String])
    case pushed(RunDetail)
}

/// What the world is asked to do with files.
enum FileEffect: Equatable, Sendable {
    case list
    case remove(FileID)
    case upload(UploadRow)
    /// Ends an upload, and has the server forget what it has of it.
    case stop(Int, UploadID?)
    case complete(String)
    case push(RunCreate)
}

/// What the console needs from the other side to do with files.
protocol FileBackend: Sendable {
    /// The newest files, at most 200.
    func files() async throws -> [FileInfo]
    func removeFile(_ id: FileID) async throws
    /// Uploads a file beside everything else, over lost links too, until it is there or stopped.
    func upload(_ row: UploadRow, report: @escaping @Sendable (UploadProgress) -> Void) async throws -> FileInfo
    /// Ends an upload that is under way.
    func stopUpload(_ number: Int, _ upload: UploadID?) async
}
