// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Glibc

/// The names in a directory, one after the other. Used by one task.
final class DirectoryReader {
    /// A name, as the file system has it: any bytes but `/` and NUL.
    struct Entry {
        /// The bytes, with the NUL behind them.
        var name: [CChar]

        /// For people, and for names that are known to be text.
        var text: String { String(decoding: name.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self) }
    }

    private let stream: OpaquePointer
    private let path: String

    /// Opens a directory by its name in another, never following a link; throws what the system says.
    ///
    /// - Parameters:
    ///   - parent: Where it is.
    ///   - name: Its name there; `.` for that itself.
    ///   - path: What messages call it.
    convenience init(_ parent: OpenDirectory, _ name: String, path: String? = nil) throws(DeployError) {
        try self.init(owning: try parent.open(name, O_RDONLY | O_DIRECTORY), path: path ?? name)
    }

    /// The same for a name of any bytes in a directory that is read itself.
    convenience init(_ parent: DirectoryReader, _ entry: Entry) throws(DeployError) {
        let path = parent.path + "/" + entry.text
        let flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK
        let descriptor = openat(parent.descriptor, entry.name, flags)
        guard descriptor >= 0 else { throw HostFailure.make("open the directory", path) }
        try self.init(owning: descriptor, path: path)
    }

    private init(owning descriptor: Int32, path: String) throws(DeployError) {
        self.path = path
        guard let stream = fdopendir(descriptor) else {
            defer { close(descriptor) }
            throw HostFailure.make("read the directory", path)
        }
        self.stream = stream
    }

    deinit { closedir(stream) }

    /// The directory; valid as long as this object.
    var descriptor: Int32 { dirfd(stream) }

    /// The next name but `.` and `..`; nil at the end. Throws what the system says.
    func next() throws(DeployError) -> Entry? {
        while true {
            errno = 0
            guard let entry = readdir(stream) else {
                if errno != 0 { throw HostFailure.make("read the directory", path) }
                return nil
            }
            let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer -> [CChar] in
                pointer.withMemoryRebound(to: CChar.self, capacity: 256) { start -> [CChar] in
                    Array(UnsafeBufferPointer(start: start, count: strnlen(start, 255))) + [CChar(0)]
                }
            }
            let dot = CChar(UInt8(ascii: "."))
            if name != [dot, 0], name != [dot, dot, 0] { return Entry(name: name) }
        }
    }

    /// Begins again.
    func rewind() { rewinddir(stream) }

    /// What a name in it is, links not followed; nil when it is gone.
    func status(of entry: Entry) throws(DeployError) -> FileStatus? {
        var status = stat()
        guard fstatat(descriptor, entry.name, &status, AT_SYMLINK_NOFOLLOW) == 0 else {
            if errno == ENOENT { return nil }
            throw HostFailure.make("look at", path + "/" + entry.text)
        }
        return FileStatus(status)
    }

    /// Removes a name: an empty directory, or anything else. One that is gone is removed. Throws what the system says.
    func remove(_ entry: Entry, isDirectory: Bool) throws(DeployError) {
        guard unlinkat(descriptor, entry.name, isDirectory ? AT_REMOVEDIR : 0) == 0 || errno == ENOENT else {
            throw HostFailure.make("remove", path + "/" + entry.text)
        }
    }
}
