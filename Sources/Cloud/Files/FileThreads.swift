// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import NIOPosix

/// The threads on which files are read and written, so that a slow disk holds up nobody else.
final class FileThreads: Sendable {
    private let pool: NIOThreadPool

    /// - Parameter count: How many; each does one thing at a time.
    init(count: Int = 4) {
        pool = NIOThreadPool(numberOfThreads: count)
        pool.start()
    }

    /// Runs a body on one of them. Throws what the body throws, or `unavailable` when the server stops.
    func run<Value: Sendable>(
        _ body: @escaping @Sendable () throws(DeployError) -> Value
    ) async throws(DeployError) -> Value {
        do {
            return try await pool.runIfActive { try body() }
        } catch let error as DeployError {
            throw error
        } catch {
            throw DeployError(.unavailable, "the server is stopping")
        }
    }

    /// Lets what runs finish, then ends the threads.
    func shutDown() async { try? await pool.shutdownGracefully() }
}
