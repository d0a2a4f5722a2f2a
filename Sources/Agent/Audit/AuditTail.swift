// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// How an audit file ends: where the chain goes on, and what is damaged.
struct AuditTail: Sendable {
    /// The last record.
    private(set) var head = AuditChain.Head()
    /// The first record of this file; nil when there is none.
    private(set) var firstSeq: Int64?
    /// The bytes up to the end of the last whole line.
    private(set) var size: Int64
    /// Bytes behind it that are no line.
    private(set) var torn: Int64 = 0
    /// Whole lines at the end that are no records.
    private(set) var damaged: Int?

    /// The most bytes looked at from the end first; a longer line than this is rare.
    private static let window: Int64 = 1 << 18

    /// Reads the end of a file, and of the part before it when it is empty; throws what the disk says.
    init(_ file: AppendFile, store: AuditStore) throws(DeployError) {
        let whole = try file.checkedSize()
        var bytes = try file.tail(Self.window)
        if !bytes.contains(UInt8(ascii: "\n")) || !Self.holdsRecord(bytes) { bytes = try file.tail(whole) }
        let end = bytes.lastIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? bytes.startIndex
        torn = Int64(bytes.count - end)
        size = whole - torn
        var lines = bytes[..<end].split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: true)
        var unreadable = 0
        while let last = lines.popLast() {
            if let line = AuditLine(last) {
                head = AuditChain.Head(seq: line.seq + Int64(unreadable), hash: line.hash)
                break
            }
            unreadable += 1
        }
        if unreadable > 0 { damaged = unreadable }
        if head.seq == 0 { try lookBack(store, unreadable) }
        var first: Int64?
        try AuditFile.lines(file.path, limit: 1 << 20) { if first == nil { first = AuditLine($0)?.seq } }
        firstSeq = first
    }

    private static func holdsRecord(_ bytes: [UInt8]) -> Bool {
        bytes.split(separator: UInt8(ascii: "\n")).dropFirst().contains { AuditLine($0) != nil }
    }

    /// In an empty file the chain goes on from the part before.
    private mutating func lookBack(_ store: AuditStore, _ unreadable: Int) throws(DeployError) {
        guard let archive = store.archives.last else {
            head.seq = Int64(unreadable)
            return
        }
        var found = AuditChain.Head()
        var after = 0
        try AuditFile.lines(archive) { bytes in
            guard let line = AuditLine(bytes) else { return after += 1 }
            found = AuditChain.Head(seq: line.seq, hash: line.hash)
            after = 0
        }
        head = AuditChain.Head(seq: found.seq + Int64(after + unreadable), hash: found.hash)
    }
}
