// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Foundation

/// A directory for the files of one test, removed at its end.
final class ScratchFiles: Sendable {
    let directory: String

    init() {
        let url = FileManager.default.temporaryDirectory.appending(path: "tiangong-\(UUID().uuidString)")
        try? FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
        directory = url.path
    }

    deinit { try? FileManager.default.removeItem(atPath: directory) }

    /// Writes a file, directories on the way included, and gives its path.
    @discardableResult
    func write(_ bytes: [UInt8], to name: String = UUID().uuidString) -> String {
        let path = "\(directory)/\(name)"
        let parent = URL(filePath: path).deletingLastPathComponent()
        try? FileManager.default.createDirectory(at: parent, withIntermediateDirectories: true)
        _ = FileManager.default.createFile(atPath: path, contents: Data(bytes))
        return path
    }

    static func append(_ bytes: [UInt8], to path: String) {
        let handle = FileHandle(forWritingAtPath: path)
        _ = try? handle?.seekToEnd()
        try? handle?.write(contentsOf: Data(bytes))
        try? handle?.close()
    }

    static func truncate(_ path: String, to size: UInt64) {
        let handle = FileHandle(forWritingAtPath: path)
        try? handle?.truncate(atOffset: size)
        try? handle?.close()
    }

    /// Bytes without a pattern, the same for the same count.
    static func noise(_ count: Int) -> [UInt8] {
        var state: UInt64 = 0x9E37_79B9_7F4A_7C15
        var bytes = [UInt8](repeating: 0, count: count)
        for index in bytes.indices {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            bytes[index] = UInt8(truncatingIfNeeded: state >> 56)
        }
        return bytes
    }
}
