// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// Keeps two servers out of one data directory. Held for as long as the value lives.
final class DataDirectoryLock: Sendable {
    private let descriptor: Int32

    /// Throws `conflict` when another server holds the directory.
    init(directory: String) throws(DeployError) {
        try PrivateFile.makeDirectory(directory)
        descriptor = open("\(directory)/lock", O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            throw DeployError(.internal, "\(directory)/lock cannot be opened: \(String(cString: strerror(errno)))")
        }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            throw DeployError(
                .conflict, "another tiangong-cloud uses \(directory)", hint: "stop it, or give another --data-dir")
        }
    }

    deinit { close(descriptor) }
}
