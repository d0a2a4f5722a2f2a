// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// How much the store of files takes, and how long it keeps it.
struct FileSettings: Sendable, Equatable {
    /// Where content is kept; nil for `files` in the data directory.
    var directory: String?
    /// Bytes of all contents; nil for no limit but the disk's.
    var quota: Int64?
    /// Bytes of the disk that are left free.
    var reserve: Int64 = 256 << 20
    /// The largest file.
    var maximumSize: Int64 = 1 << 40
    /// Seconds a file is kept after its last use; nil for ever.
    var retention: Double? = 30 * 86_400
    /// Seconds a file that an agent brought is kept after its last use; nil for ever.
    var fetchedRetention: Double? = 86_400
    /// Seconds an upload that is not complete waits to go on.
    var uploadRetention: Double = 86_400
    /// Bytes a second sent to agents in all; nil for no limit.
    var bandwidth: Int64?
}

extension FileSettings {
    /// Reads `files.*`; throws `invalid_argument` naming the key.
    init(_ settings: Settings<CloudConfiguration.Key>) throws(DeployError) {
        self.init()
        let sizes = Int64(1)...(1 << 60)
        directory = try settings.path(.filesDirectory)
        quota = try settings.bytes(.filesQuota, in: sizes)
        reserve = try settings.bytes(.filesReserve, in: 0...(1 << 60)) ?? reserve
        maximumSize = try settings.bytes(.filesMaximumSize, in: sizes) ?? maximumSize
        retention = try Self.span(settings, .filesRetention, retention)
        fetchedRetention = try Self.span(settings, .filesFetchedRetention, fetchedRetention)
        uploadRetention = try settings.seconds(.filesUploadRetention, in: 10...31_536_000) ?? uploadRetention
        bandwidth = try settings.bytes(.filesBandwidth, in: 1024...(1 << 60))
    }

    /// A span, or `never`.
    private static func span(
        _ settings: Settings<CloudConfiguration.Key>, _ key: CloudConfiguration.Key, _ standard: Double?
    ) throws(DeployError) -> Double? {
        if settings.text(key) == "never" { return nil }
        return try settings.seconds(key, in: 1...315_360_000) ?? standard
    }
}
