// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif
#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// Files that hold secrets: written whole or not at all, never readable by others.
public enum PrivateFile {
    /// The text of a secret file, without a final newline.
    ///
    /// Throws `not_found` when it cannot be read and `forbidden` when its mode lets others read it.
    public static func read(_ path: String) throws(DeployError) -> String {
        guard let attributes = try? FileManager.default.attributesOfItem(atPath: path),
            let mode = integer(attributes[.posixPermissions]), let size = integer(attributes[.size])
        else { throw DeployError(.notFound, "\(path) cannot be read") }
        guard mode & 0o077 == 0 else {
            throw DeployError(.forbidden, "\(path) is readable by others", hint: "chmod 600 \(path)")
        }
        guard size <= 1 << 20, let text = try? String(contentsOfFile: path, encoding: .utf8) else {
            throw DeployError(.notFound, "\(path) cannot be read as text")
        }
        return text.last == "\n" ? String(text.dropLast()) : text
    }

    /// A file attribute: an integer, or an NSNumber in programs where some library brings all of Foundation along.
    private static func integer(_ value: Any?) -> Int? { value.flatMap { Int(String(describing: $0)) } }

    /// Writes a file through a temporary one in the same directory, synced and renamed.
    ///
    /// - Parameters:
    ///   - text: The whole content.
    ///   - path: Where.
    ///   - mode: Its permissions, from the first moment on.
    /// - Throws: `internal` naming the path and the system's error.
    public static func write(_ text: String, to path: String, mode: mode_t = 0o600) throws(DeployError) {
        let temporary = "\(path).\(getpid()).tmp"
        let descriptor = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode)
        guard descriptor >= 0 else { throw failure(path) }
        var bytes = Array(text.utf8)[...]
        while !bytes.isEmpty {
            let count = bytes.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else {
                close(descriptor)
                throw failure(path)
            }
            bytes = bytes.dropFirst(count)
        }
        guard fchmod(descriptor, mode) == 0, fsync(descriptor) == 0 else {
            close(descriptor)
            throw failure(path)
        }
        close(descriptor)
        guard rename(temporary, path) == 0 else { throw failure(path) }
    }

    /// Makes a directory and its parents with mode 0700; an existing one is left as it is.
    public static func makeDirectory(_ path: String) throws(DeployError) {
        var isDirectory: Bool = false
        if FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory), isDirectory { return }
        do {
            try FileManager.default.createDirectory(
                atPath: path, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        } catch {
            throw DeployError(.internal, "directory \(path) cannot be made: \(error)")
        }
    }

    private static func failure(_ path: String) -> DeployError {
        DeployError(.internal, "\(path) cannot be written: \(String(cString: strerror(errno)))")
    }
}
