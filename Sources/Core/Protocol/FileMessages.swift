// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

/// Parameters of `file_begin`: a new upload, or the rest of one that was cut.
public struct FileBegin: Sendable, Equatable, Codable {
    /// What the file is called; not a path. Left out with `upload_id`.
    public var name: String?
    /// Bytes, if that is known beforehand.
    public var size: Int64?
    /// Its content, if that is known beforehand: content that is there already is not sent again.
    public var sha256: ContentHash?
    /// Where it belongs; needed when the operator reaches several environments but not all.
    public var environment: String?
    /// Seconds until it is removed by itself, counted anew whenever it is used; nil for the server's default.
    public var keep: Double?
    /// The upload to go on with.
    public var uploadID: UploadID?

    enum CodingKeys: String, CodingKey {
        case name, size, sha256, environment, keep
        case uploadID = "upload_id"
    }

    /// A new upload.
    public init(
        name: String, size: Int64? = nil, sha256: ContentHash? = nil, environment: String? = nil, keep: Double? = nil
    ) {
        self.name = name
        self.size = size
        self.sha256 = sha256
        self.environment = environment
        self.keep = keep
    }

    /// The rest of an upload.
    public init(resuming upload: UploadID) { uploadID = upload }
}

/// An upload that is under way: the answer to `file_begin`.
public struct UploadInfo: Sendable, Hashable, Codable, Identifiable {
    /// The upload.
    public var id: UploadID
    /// What the file is called.
    public var name: String
    /// Bytes the server has; the next must follow them.
    public var offset: Int64
    /// Bytes in all, if they were announced.
    public var size: Int64?
    /// Its content, if it was announced.
    public var sha256: ContentHash?
    /// Where the file will belong.
    public var environment: String?
    /// Who uploads it.
    public var actor: String
    /// When it was begun.
    public var createdAt: Timestamp
    /// The file, when its content was there already: nothing is to be sent.
    public var file: FileInfo?

    enum CodingKeys: String, CodingKey {
        case id, name, offset, size, sha256, environment, actor, file
        case createdAt = "created_at"
    }

    /// An upload; see the properties.
    public init(
        id: UploadID, name: String, offset: Int64, size: Int64?, sha256: ContentHash?, environment: String?,
        actor: String, createdAt: Timestamp
    ) {
        self.id = id
        self.name = name
        self.offset = offset
        self.size = size
        self.sha256 = sha256
        self.environment = environment
        self.actor = actor
        self.createdAt = createdAt
    }
}

/// The head of `file_chunk`; its payload is at most ``FileTransfer/chunk`` bytes.
public struct FileChunkHead: Sendable, Equatable, Codable {
    /// The upload.
    public var uploadID: UploadID
    /// Bytes before it.
    public var offset: Int64

    enum CodingKeys: String, CodingKey {
        case offset
        case uploadID = "upload_id"
    }

    /// A head.
    public init(uploadID: UploadID, offset: Int64) {
        self.uploadID = uploadID
        self.offset = offset
    }
}

/// Data of `file_credit`: everything before the offset is written, so that much more may be sent.
public struct FileCredit: Sendable, Equatable, Codable {
    /// The upload.
    public var uploadID: UploadID
    /// Bytes the server has.
    public var offset: Int64

    enum CodingKeys: String, CodingKey {
        case offset
        case uploadID = "upload_id"
    }

    /// A credit.
    public init(uploadID: UploadID, offset: Int64) {
        self.uploadID = uploadID
        self.offset = offset
    }
}

/// Parameters of `file_commit`: everything was sent.
public struct FileCommit: Sendable, Equatable, Codable {
    /// The upload.
    public var uploadID: UploadID
    /// Bytes that were sent in all; left out by who cannot count.
    public var size: Int64?
    /// What was sent; without it the server believes what arrived.
    public var sha256: ContentHash?

    enum CodingKeys: String, CodingKey {
        case size, sha256
        case uploadID = "upload_id"
    }

    /// A commit.
    public init(uploadID: UploadID, size: Int64? = nil, sha256: ContentHash? = nil) {
        self.uploadID = uploadID
        self.size = size
        self.sha256 = sha256
    }
}

/// Parameters of `file_list`, newest first.
public struct FileListQuery: Sendable, Equatable, Codable {
    /// Only files of this name.
    public var name: String?
    /// Only files of this content.
    public var sha256: ContentHash?
    /// Where to go on: `next` of the page before.
    public var cursor: String?
    /// Items wanted, 1 to 200; nil for 50.
    public var limit: Int?

    /// A query.
    public init(name: String? = nil, sha256: ContentHash? = nil, cursor: String? = nil, limit: Int? = nil) {
        self.name = name
        self.sha256 = sha256
        self.cursor = cursor
        self.limit = limit
    }
}

/// Sizes of file transfers that both ends agree on.
public enum FileTransfer {
    /// The largest payload of a `file_chunk`, in bytes: with its head it fits one WebSocket frame.
    public static let chunk = 196_608
    /// Bytes an uploader may send ahead of `file_credit`.
    public static let window: Int64 = 8 << 20
    /// The largest file of a `file_put`, in bytes.
    public static let smallFile = 196_608
    /// The most files one task brings.
    public static let filesPerTask = 2000
}
