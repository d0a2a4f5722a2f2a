// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import NIOCore

/// What is kept beside the bytes of an upload that is not complete, so that it can go on after a restart.
struct PartRecord: Sendable, Codable, Equatable {
    var id: UploadID
    var name: String
    /// Bytes in all, if they were announced.
    var size: Int64?
    var sha256: ContentHash?
    var environment: String?
    /// Seconds until the file is removed, counted from its last use; nil for never.
    var keep: Double?
    /// The operator, or `agent NAME`; only they go on with it.
    var actor: String
    var createdAt: Timestamp
    /// The task whose agent brings it.
    var taskID: TaskID?
}

/// Where content is kept. Blocking: call it on ``FileThreads``.
///
/// A content is written as a part, synced, and put in its place in one step; a place is never written again.
protocol FileStorage: Sendable {
    /// Makes an empty part. Throws `insufficient_storage` or `internal`.
    func createPart(_ record: PartRecord) throws(DeployError) -> PartFile
    /// Opens a part to go on with it. Throws `not_found`.
    func openPart(_ id: UploadID) throws(DeployError) -> (PartRecord, PartFile)
    /// All parts there are, with the bytes each has and when it was written last.
    func parts() -> [(record: PartRecord, size: Int64, writtenAt: Timestamp)]
    /// Deletes a part; one that is not there is deleted.
    func removePart(_ id: UploadID)
    /// Puts a part, which is synced first, in a place of its own; the part is gone afterwards. Throws `internal`.
    func place(_ part: PartFile, at location: String) throws(DeployError)
    /// Opens a content for reading. Throws `not_found`.
    func open(_ location: String) throws(DeployError) -> ContentFile
    /// Deletes a content; one that is not there is deleted.
    func remove(_ location: String)
    /// Every place that is taken, and since when.
    func locations() -> [(location: String, since: Timestamp)]
    /// Bytes that can still be written.
    func free() -> Int64
}
