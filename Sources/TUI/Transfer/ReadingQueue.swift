// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Dispatch

extension DispatchQueue {
    /// Runs blocking work on this queue; only the caller waits for it.
    func run<Value: Sendable>(
        _ work: @escaping @Sendable () throws(DeployError) -> Value
    ) async throws(DeployError) -> Value {
        let result: Result<Value, DeployError> = await withCheckedContinuation { continuation in
            async {
                do throws(DeployError) {
                    continuation.resume(returning: .success(try work()))
                } catch {
                    continuation.resume(returning: .failure(error))
                }
            }
        }
        return try result.get()
    }
}
