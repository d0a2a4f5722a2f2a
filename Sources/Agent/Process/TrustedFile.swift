// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Glibc

/// Files that nobody but root and the agent's account could have changed.
enum TrustedFile {
    /// Throws `start_failed` saying what is wrong with a file or a directory above it.
    ///
    /// - Parameters:
    ///   - path: Absolute; links are followed.
    ///   - isProgram: Whether it must be a file that can be run. Otherwise what is no regular file is passed over.
    static func check(_ path: String, isProgram: Bool) throws(DeployError) {
        guard let real = realPath(path) else {
            guard isProgram else { return }
            throw DeployError(.startFailed, "\(path): \(String(cString: strerror(errno)))")
        }
        var status = stat()
        guard stat(real, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            guard isProgram else { return }
            throw DeployError(.startFailed, "\(path) is not a regular file")
        }
        guard !isProgram || access(real, X_OK) == 0 else {
            throw DeployError(.startFailed, "\(path) may not be run by this agent", hint: "chmod 755 \(path)")
        }
        var place = real
        while true {
            guard stat(place, &status) == 0 else {
                throw DeployError(.startFailed, "\(place): \(String(cString: strerror(errno)))")
            }
            try check(status, place)
            guard place != "/" else { return }
            place = String(place[..<(place.lastIndex(of: "/") ?? place.startIndex)])
            if place.isEmpty { place = "/" }
        }
    }

    private static func check(_ status: stat, _ place: String) throws(DeployError) {
        guard status.st_uid == 0 || status.st_uid == geteuid() else {
            throw DeployError(
                .startFailed, "\(place) belongs to neither root nor the agent's account", hint: "chown root \(place)")
        }
        // In a directory such as /tmp nobody can replace what belongs to others.
        let isSticky = status.st_mode & S_IFMT == S_IFDIR && status.st_mode & S_ISVTX != 0
        guard status.st_mode & 0o022 == 0 || isSticky else {
            throw DeployError(.startFailed, "\(place) can be changed by others", hint: "chmod go-w \(place)")
        }
    }

    private static func realPath(_ path: String) -> String? {
        guard let text = realpath(path, nil) else { return nil }
        defer { free(text) }
        return String(cString: text)
    }
}
