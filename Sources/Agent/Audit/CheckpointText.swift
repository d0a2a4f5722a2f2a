// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// A checkpoint as a line of JSON.
enum CheckpointText {
    static func read(_ line: ArraySlice<UInt8>) -> AuditCheckpoint? {
        try? JSONDecoder().decode(AuditCheckpoint.self, from: Data(line))
    }

    static func line(_ checkpoint: AuditCheckpoint) -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return (try? encoder.encode(checkpoint)).map { String(decoding: $0, as: UTF8.self) + "\n" } ?? ""
    }
}
