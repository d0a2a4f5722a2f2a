// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import CKernel
import Core
import Crypto
import Glibc
import NIOCore

/// A file on its way, beside the one that it will become: `.NAME.DIGITS.tiangong-part`, with the first digits of what its content
/// hashes to. A later task for the same content goes on with it. One task at a time: who holds its lock.
final class PartFile {
    /// Bytes it has, all of them hashed.
    private(set) var offset: Int64 = 0
    /// Bytes an earlier task has left in it.
    private(set) var resumed: Int64 = 0
    /// Its name now.
    private(set) var name: String
    /// The descriptor; valid as long as this object.
    let descriptor: Int32

    private let directory: OpenDirectory
    /// The name it will have.
    private let finalName: String
    /// Whether a later task could find it.
    private var isFindable: Bool
    /// Whether it is no part any more.
    private var isPlaced = false
    private var hasher = SHA256()
    private var flushed: Int64 = 0

    /// How the names of parts end.
    static let suffix = ".tiangong-part"
    /// Bytes read at once to hash what is there already.
    private static let block = 1 << 20
    /// Bytes after which the disk is told to begin, so that the end need not wait long.
    private static let writeback: Int64 = 8 << 20

    private init(
        _ descriptor: Int32, in directory: OpenDirectory, name: String, for finalName: String, isFindable: Bool
    ) {
        self.descriptor = descriptor
        self.directory = directory
        self.name = name
        self.finalName = finalName
        self.isFindable = isFindable
    }

    deinit { close(descriptor) }

    /// Opens the part of a content, or makes one.
    ///
    /// What is there is taken only if it is a file of this agent's own that nobody else could have written. While another task
    /// writes the same content to the same place, this one gets a part of its own. Throws what the system says.
    static func open(
        in directory: OpenDirectory, for finalName: String, _ sha256: ContentHash
    ) throws(DeployError) -> PartFile {
        let name = self.name(finalName, sha256.short)
        for _ in 0..<16 {
            if let descriptor = try create(name, in: directory) {
                let part = PartFile(descriptor, in: directory, name: name, for: finalName, isFindable: true)
                if part.lock(), try part.isInPlace() { return part }
                continue
            }
            guard let descriptor = try openExisting(name, in: directory) else { break }
            let part = PartFile(descriptor, in: directory, name: name, for: finalName, isFindable: true)
            guard part.lock() else { break }
            // Whoever had the lock before may have put the file in its place: then this is no part any more.
            guard try part.isInPlace() else { continue }
            if try part.isTrustworthy() { return part }
            directory.unlink(name)
        }
        return try createUnique(in: directory, for: finalName)
    }

    private static func createUnique(
        in directory: OpenDirectory, for finalName: String
    ) throws(DeployError) -> PartFile {
        while true {
            let name = uniqueName(finalName)
            guard let descriptor = try create(name, in: directory) else { continue }
            let part = PartFile(descriptor, in: directory, name: name, for: finalName, isFindable: false)
            _ = part.lock()
            return part
        }
    }

    private static func create(_ name: String, in directory: OpenDirectory) throws(DeployError) -> Int32? {
        do throws(DeployError) {
            return try directory.open(name, O_RDWR | O_CREAT | O_EXCL)
        } catch {
            if error.code == .conflict { return nil }
            throw error
        }
    }

    /// Nil when it is a link or cannot be opened: then it is left alone.
    private static func openExisting(_ name: String, in directory: OpenDirectory) throws(DeployError) -> Int32? {
        do throws(DeployError) {
            return try directory.open(name, O_RDWR)
        } catch {
            if error.code == .unavailable { throw error }
            return nil
        }
    }

    /// The name of a part, within 255 bytes.
    static func name(_ finalName: String, _ digits: String) -> String {
        let room = FileNames.maximumBytes - 2 - digits.utf8.count - suffix.utf8.count
        var start = ""
        for character in finalName.unicodeScalars {
            guard start.utf8.count + UTF8.width(character) <= room else { break }
            start.unicodeScalars.append(character)
        }
        return ".\(start).\(digits)\(suffix)"
    }

    private static func uniqueName(_ finalName: String) -> String {
        let digits = (0..<12).map { _ in "0123456789abcdef".randomElement() ?? "0" }
        return name(finalName, String(digits))
    }

    // MARK: Whose it is

    private func lock() -> Bool { flock(descriptor, LOCK_EX | LOCK_NB) == 0 }

    /// Whether its name still means this file.
    private func isInPlace() throws(DeployError) -> Bool {
        guard let there = try directory.status(of: name) else { return false }
        return there.identity == (try FileStatus(of: descriptor, name)).identity
    }

    private func isTrustworthy() throws(DeployError) -> Bool {
        let status = try FileStatus(of: descriptor, name)
        return status.kind == .file && status.names == 1 && status.userID == geteuid() && status.mode & 0o177 == 0
    }

    // MARK: Content

    /// Reads what an earlier task has left, so that its hash is known. What is beyond the size is cut off.
    ///
    /// Throws `canceled` when the task is, or what the system says.
    func resume(size: Int64) throws(DeployError) {
        let present = try FileStatus(of: descriptor, name).size
        if present > size { try reset() }
        let end = present > size ? 0 : present
        while offset < end {
            if Task.isCancelled { throw DeployError(.canceled) }
            let length = Int(min(Int64(Self.block), end - offset))
            let bytes = try HostFile.read(descriptor, at: offset, length: length, name)
            guard bytes.readableBytes > 0 else { break }
            bytes.withUnsafeReadableBytes { hasher.update(bufferPointer: $0) }
            offset += Int64(bytes.readableBytes)
        }
        resumed = offset
        flushed = offset
    }

    /// Adds bytes, taking from the buffer what was written. Throws `insufficient_storage` when the disk takes no more, or what
    /// the system says.
    func append(_ bytes: inout ByteBuffer) throws(DeployError) {
        let (written, code) = bytes.withUnsafeReadableBytes { bytes in
            let (count, code) = PositionedWrite.bytes(bytes, to: descriptor, at: offset)
            hasher.update(bufferPointer: UnsafeRawBufferPointer(rebasing: bytes[..<count]))
            return (count, code)
        }
        bytes.moveReaderIndex(forwardBy: written)
        offset += Int64(written)
        guard code == 0 else { throw HostFailure.make("write", finalName, code: code) }
        if offset - flushed >= Self.writeback {
            _ = ck_start_writeback(descriptor, flushed, offset - flushed)
            flushed = offset
        }
    }

    /// What it hashes to.
    var digest: ContentHash { ContentHash(digest: hasher.finalize()) }

    /// Empties it.
    func reset() throws(DeployError) {
        guard ftruncate(descriptor, 0) == 0 else { throw HostFailure.make("empty", name) }
        (offset, resumed, flushed) = (0, 0, 0)
        hasher = SHA256()
    }

    /// Waits until it is on the disk.
    func synchronize() throws(DeployError) {
        while fsync(descriptor) != 0 {
            if errno != EINTR { throw HostFailure.make("synchronize", finalName) }
        }
    }

    // MARK: Its end

    /// Gives it up: it stays for a later task, if one could find it.
    func leave() {
        if !isFindable || offset == 0 { discard() }
    }

    /// Deletes it.
    func discard() {
        if !isPlaced, (try? isInPlace()) == true { directory.unlink(name) }
    }

    /// Puts it in the place of its final name in one step.
    ///
    /// - Parameter backup: The name that what is replaced gets; nil for none. Where nothing is replaced there is no backup.
    /// - Returns: The backup's name, if there is one.
    /// - Throws: `conflict` when somebody took the part away, `forbidden` when something else than a file came in its way.
    func place(backup: BackupName?) throws(DeployError) -> String? {
        guard try isInPlace() else {
            throw DeployError(.conflict, "the part of \(finalName.prefix(200)) was taken away", hint: "run it again")
        }
        guard let backup else {
            try rename(to: finalName)
            isPlaced = true
            return nil
        }
        let kept = try replace(backup)
        isPlaced = true
        return kept
    }

    private func replace(_ backup: BackupName) throws(DeployError) -> String? {
        // What is exchanged must not stand where a later task would take it for a part.
        try renameUnique()
        guard ck_exchange(directory.descriptor, name, finalName) == 0 else {
            switch errno {
            case ENOENT:
                try rename(to: finalName)
                return nil
            case EINVAL, ENOSYS, EPERM:
                let kept = try backup.take(in: directory) { directory.link(finalName, $0) }
                try rename(to: finalName)
                return kept
            default: throw HostFailure.make("replace", finalName)
            }
        }
        do throws(DeployError) {
            guard try directory.status(of: name)?.kind == .file else {
                throw DeployError(.forbidden, "\(finalName.prefix(200)) is not a regular file any more")
            }
            return try backup.take(in: directory) { ck_rename_new(directory.descriptor, name, $0) == 0 }
        } catch {
            _ = ck_exchange(directory.descriptor, name, finalName)
            throw error
        }
    }

    private func renameUnique() throws(DeployError) {
        isFindable = false
        while true {
            let unique = Self.uniqueName(finalName)
            if ck_rename_new(directory.descriptor, name, unique) == 0 {
                name = unique
                return
            }
            guard errno == EEXIST else {
                // Where there is no such call the name is as good as free.
                guard errno == EINVAL || errno == ENOSYS else {
                    throw HostFailure.make("rename the part of", finalName)
                }
                try rename(to: unique)
                return
            }
        }
    }

    private func rename(to newName: String) throws(DeployError) {
        guard renameat(directory.descriptor, name, directory.descriptor, newName) == 0 else {
            throw HostFailure.make("replace", newName)
        }
        name = newName
    }
}

extension OpenDirectory {
    /// Gives a file a second name, unless that is taken.
    fileprivate func link(_ name: String, _ second: String) -> Bool {
        linkat(descriptor, name, descriptor, second, 0) == 0
    }
}

/// Reading files of this host.
enum HostFile {
    /// Up to `length` bytes from an offset; fewer at the end only. Throws what the system says.
    static func read(
        _ descriptor: Int32, at offset: Int64, length: Int, _ path: String
    ) throws(DeployError) -> ByteBuffer {
        try PositionedRead.bytes(of: descriptor, at: offset, length: length) {
            HostFailure.make("read", path, code: $0)
        }
    }

    /// What a file hashes to from its beginning to its end. Throws `canceled` when the task is, or what the system says.
    static func hash(_ descriptor: Int32, _ path: String) throws(DeployError) -> (sha256: ContentHash, size: Int64) {
        var hasher = SHA256()
        var offset: Int64 = 0
        while true {
            if Task.isCancelled { throw DeployError(.canceled) }
            let bytes = try read(descriptor, at: offset, length: 1 << 20, path)
            guard bytes.readableBytes > 0 else { return (ContentHash(digest: hasher.finalize()), offset) }
            bytes.withUnsafeReadableBytes { hasher.update(bufferPointer: $0) }
            offset += Int64(bytes.readableBytes)
        }
    }
}
