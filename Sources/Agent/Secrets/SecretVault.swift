// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import CKernel
import Core
import Glibc

/// The secrets of this host: a directory with one file for each, which nobody but root and this account can read.
struct SecretVault: Sendable {
    /// The directory.
    let directory: String

    /// The largest secret, in bytes.
    static let maximumBytes = 65_536
    /// Shorter ones are not hidden in output: they would be found everywhere.
    static let shortestHidden = 6

    /// Reads the secrets a task names.
    ///
    /// Throws `not_found` for one that is not there and `forbidden` for one that others could read; both name it.
    func resolve(_ references: Set<SecretReference>) throws(DeployError) -> TaskSecrets {
        guard !references.isEmpty else { return TaskSecrets() }
        let descriptor = try openDirectory()
        defer { close(descriptor) }
        var secrets: [Secret] = []
        for reference in references.sorted(by: { $0.name < $1.name }) {
            secrets.append(try read(reference, in: descriptor))
        }
        return TaskSecrets(secrets)
    }

    /// What is wrong with the directory and each of its files, in words; empty when all is well or there is none.
    func problems() -> [String] {
        guard access(directory, F_OK) == 0 else { return [] }
        let descriptor: Int32
        do throws(DeployError) {
            descriptor = try openDirectory()
        } catch { return [error.sentence] }
        defer { close(descriptor) }
        var problems: [String] = []
        for name in StateDirectory.names(in: directory).sorted() where !name.hasPrefix("..") {
            guard let reference = SecretReference(name) else {
                problems.append("\(directory)/\(name.prefix(64)): no secret can have this name")
                continue
            }
            do throws(DeployError) {
                let count = try read(reference, in: descriptor).reveal().count
                if count < Self.shortestHidden {
                    problems.append("\(directory)/\(name): under \(Self.shortestHidden) bytes, not hidden in output")
                }
            } catch { problems.append(error.sentence) }
        }
        return problems
    }

    private func openDirectory() throws(DeployError) -> Int32 {
        let descriptor = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else {
            throw DeployError(
                errno == ENOENT ? .notFound : .forbidden,
                "secrets directory \(directory) cannot be opened: \(String(cString: strerror(errno)))",
                hint: "make it with mode 0700, or set secrets.directory")
        }
        var status = stat()
        guard fstat(descriptor, &status) == 0, Self.isOurs(status), status.st_mode & 0o022 == 0 else {
            close(descriptor)
            throw DeployError(
                .forbidden, "secrets directory \(directory) can be changed by others", hint: "chmod 700 \(directory)")
        }
        return descriptor
    }

    private func read(_ reference: SecretReference, in descriptor: Int32) throws(DeployError) -> Secret {
        let path = "\(directory)/\(reference.name)"
        // Links are followed inside the directory only, as mounted secrets use them.
        var file = ck_open_beneath(descriptor, reference.name, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0, 1)
        if file < 0, errno == ENOSYS || errno == EPERM {
            file = openat(descriptor, reference.name, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_NOFOLLOW | O_CLOEXEC)
        }
        guard file >= 0 else {
            guard errno == ENOENT else {
                throw DeployError(.forbidden, "\(path) cannot be read: \(String(cString: strerror(errno)))")
            }
            throw DeployError(
                .notFound, "this agent has no secret '\(reference.name)'",
                hint: "put it into \(path) with mode 0600")
        }
        defer { close(file) }
        var status = stat()
        guard fstat(file, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            throw DeployError(.forbidden, "\(path) is not a regular file")
        }
        guard Self.isOurs(status) else {
            throw DeployError(.forbidden, "\(path) belongs to another account", hint: "chown root \(path)")
        }
        guard status.st_mode & 0o7177 == 0 else {
            throw DeployError(.forbidden, "\(path) has a mode over 0600", hint: "chmod 600 \(path)")
        }
        var bytes = [UInt8](repeating: 0, count: Self.maximumBytes + 1)
        var count = 0
        while count < bytes.count {
            let got = bytes.withUnsafeMutableBytes {
                Glibc.read(file, $0.baseAddress?.advanced(by: count), $0.count - count)
            }
            if got < 0, errno == EINTR { continue }
            guard got >= 0 else {
                throw DeployError(.forbidden, "\(path) cannot be read: \(String(cString: strerror(errno)))")
            }
            if got == 0 { break }
            count += got
        }
        guard count <= Self.maximumBytes else {
            throw DeployError(.tooLarge, "\(path) is over \(Self.maximumBytes) bytes")
        }
        // As an editor writes it: one line break at the end is not part of the secret.
        if count > 0, bytes[count - 1] == UInt8(ascii: "\n") { count -= 1 }
        guard count > 0 else { throw DeployError(.notFound, "\(path) is empty") }
        return Secret(reference, bytes: Array(bytes[..<count]))
    }

    private static func isOurs(_ status: stat) -> Bool { status.st_uid == geteuid() || status.st_uid == 0 }
}

extension DeployError {
    /// What went wrong and what to try, in one line.
    var sentence: String { hint.map { "\(message); \($0)" } ?? message }
}
