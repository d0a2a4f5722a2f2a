// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Glibc

/// What a file that is replaced is called from then on: `NAME.20261127T061500Z~`, and `NAME.20261127T061500Z.1~` for the next
/// within one second.
struct BackupName: Sendable {
    /// The name of the file that is replaced.
    let finalName: String
    /// When.
    let at: Timestamp

    /// Bytes that a backup's name may have beyond the file's.
    static let room = 24

    /// A backup of now; throws `invalid_argument` when the name leaves no room for one.
    init(of finalName: String, at: Timestamp = .now()) throws(DeployError) {
        guard finalName.utf8.count + Self.room <= FileNames.maximumBytes else {
            throw DeployError(
                .invalidArgument, "a name of \(finalName.utf8.count) bytes leaves no room for a backup beside it",
                hint: "leave out backup, or choose a name of at most \(FileNames.maximumBytes - Self.room) bytes")
        }
        self.finalName = finalName
        self.at = at
    }

    /// Tries names until one is free, and gives that: behind the newest there is of the same second, since one that was
    /// deleted leaves its name free.
    ///
    /// - Parameters:
    ///   - directory: Where backups of the file are.
    ///   - attempt: Takes a name; false, with `errno`, when it could not.
    func take(in directory: OpenDirectory, _ attempt: (String) -> Bool) throws(DeployError) -> String {
        let time = Self.text(at)
        let newest = try Self.all(of: finalName, in: directory).map(\.key).filter { $0.time == time }.max()
        let first = newest.map { $0.number + 1 } ?? 0
        for number in first..<(first + 1000) {
            let name = "\(finalName).\(time)\(number == 0 ? "" : ".\(number)")~"
            if attempt(name) { return name }
            guard errno == EEXIST else { throw HostFailure.make("keep a backup of", finalName) }
        }
        throw DeployError(.conflict, "there are too many backups of \(finalName.prefix(200)) already")
    }

    /// Deletes the oldest backups of a file beyond so many; the number that went.
    static func prune(_ finalName: String, in directory: OpenDirectory, keeping count: Int) throws(DeployError) -> Int {
        var found = try all(of: finalName, in: directory)
        guard found.count > count else { return 0 }
        found.sort { $0.key < $1.key }
        var removed = 0
        for (_, name) in found.prefix(found.count - count) where try directory.status(of: name)?.kind == .file {
            directory.unlink(name)
            removed += 1
        }
        return removed
    }

    private static func all(
        of finalName: String, in directory: OpenDirectory
    ) throws(DeployError) -> [(key: Key, name: String)] {
        let reader = try DirectoryReader(directory, ".")
        var found: [(key: Key, name: String)] = []
        while let entry = try reader.next() {
            if let key = key(entry.text, of: finalName) { found.append((key, entry.text)) }
        }
        return found
    }

    private struct Key: Comparable {
        var time: String
        var number: Int

        static func < (one: Self, other: Self) -> Bool { (one.time, one.number) < (other.time, other.number) }
    }

    private static func key(_ name: String, of finalName: String) -> Key? {
        // Byte for byte: other spellings of a letter are other files.
        let start = "\(finalName).".utf8
        guard name.utf8.starts(with: start), name.utf8.last == UInt8(ascii: "~") else { return nil }
        let middle = Substring(name.utf8.dropFirst(start.count).dropLast())
        let parts = middle.split(separator: ".", omittingEmptySubsequences: false)
        guard (1...2).contains(parts.count), isTime(parts[0]) else { return nil }
        guard parts.count == 2 else { return Key(time: String(parts[0]), number: 0) }
        return UInt16(parts[1]).map { Key(time: String(parts[0]), number: Int($0)) }
    }

    private static func isTime(_ text: Substring) -> Bool {
        let bytes = Array(text.utf8)
        guard bytes.count == 16, bytes[8] == UInt8(ascii: "T"), bytes[15] == UInt8(ascii: "Z") else { return false }
        return bytes.enumerated().allSatisfy { $0.offset == 8 || $0.offset == 15 || (48...57).contains($0.element) }
    }

    /// `20261127T061500Z`.
    private static func text(_ time: Timestamp) -> String {
        time.description.prefix(19).filter { $0 != "-" && $0 != ":" } + "Z"
    }
}
