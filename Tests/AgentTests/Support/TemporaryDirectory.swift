// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Glibc
import NIOCore

@testable import Agent

/// Runs a body with an empty directory of its own, deleted afterwards.
func withTemporaryDirectory<Result>(_ body: (String) async throws -> Result) async throws -> Result {
    let path = "/tmp/tiangong-test.\(TaskID.random())"
    try StateDirectory.create(path)
    defer { remove(tree: path) }
    return try await body(path)
}

private func remove(tree path: String) {
    for name in StateDirectory.names(in: path) {
        let inner = path + "/" + name
        if unlink(inner) != 0 { remove(tree: inner) }
    }
    rmdir(path)
}

/// Writes a small file.
func write(_ text: String, to path: String) throws(DeployError) {
    let file = try StateFile(path, create: true)
    try file.truncate(to: 0)
    try file.write(ByteBuffer(string: text), at: 0)
}

/// The text of a small file; empty when there is none.
func contents(of path: String) -> String {
    guard let file = try? StateFile(path), let size = try? file.size(), let bytes = try? file.read(at: 0, length: size)
    else {
        return ""
    }
    return String(buffer: bytes)
}

/// Waits until a condition holds, for at most five minutes, on a machine that does much else; false when it never did.
func eventually(_ condition: () async -> Bool) async -> Bool {
    let deadline = ContinuousClock.now + .seconds(300)
    while ContinuousClock.now < deadline {
        if await condition() { return true }
        try? await Task.sleep(for: .milliseconds(5))
    }
    return await condition()
}

/// What a lookup gives; asked again as long as a test beside it has left behind as many threads as there may be.
func lookedUp<Value: Sendable>(
    _ body: @Sendable () async throws(DeployError) -> Value
) async throws(DeployError) -> Value {
    for _ in 0..<1000 {
        do throws(DeployError) {
            return try await body()
        } catch {
            guard error.code == .unavailable else { throw error }
            try? await Task.sleep(for: .milliseconds(20))
        }
    }
    return try await body()
}

/// Whether a process exists and has not ended.
func isAlive(_ pid: pid_t) -> Bool { ProcessTable.status(of: pid)?.isZombie == false }
