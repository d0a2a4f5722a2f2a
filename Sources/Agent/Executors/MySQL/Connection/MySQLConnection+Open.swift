// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

extension MySQLConnection {
    /// Connects without holding up the calling task's thread. Ends when the task is canceled, too: whatever is on the way
    /// then is let go once it can be.
    ///
    /// - Parameters:
    ///   - endpoint: Where and as whom.
    ///   - password: The account's password.
    ///   - database: Where to begin; nil for nowhere.
    ///   - seconds: How long it may take; no longer than the endpoint's own limit.
    /// - Throws: `start_failed` in one sentence, or `canceled`.
    static func open(
        _ endpoint: MySQLEndpoint, password: [UInt8]?, database: String? = nil, within seconds: Double = .infinity
    ) async throws(DeployError) -> MySQLConnection {
        let limit = min(seconds, endpoint.connectTimeout)
        let line = MySQLLine()
        let answer = OneShot<Result<MySQLConnection, DeployError>>()
        let isStarted = WorkThread.detach {
            let result: Result<MySQLConnection, DeployError>
            do throws(DeployError) {
                result = .success(
                    try MySQLConnection(endpoint, password: password, database: database, within: limit, line: line))
            } catch { result = .failure(error) }
            if !answer.fulfil(result), case .success(let late) = result { late.close() }
        }
        guard isStarted else { throw WorkThread.exhausted }
        let result = await withTaskGroup(of: Void.self) { group in
            group.addTask {
                if await answer.valueUnlessCanceled() == nil {
                    line.cut()
                    answer.fulfil(.failure(DeployError(.canceled)))
                }
            }
            group.addTask {
                // The thread keeps the limit itself, but not while TLS is set up or a name is resolved.
                guard (try? await Task.sleep(for: .seconds(limit + 0.2))) != nil else { return }
                line.cut()
                guard (try? await Task.sleep(for: .seconds(1))) != nil else { return }
                answer.fulfil(
                    .failure(
                        DeployError(
                            .startFailed, "the name of \(endpoint.address) was not resolved in time",
                            hint: "check host and the resolver of this machine")))
            }
            await group.next()
            group.cancelAll()
            return await answer.value
        }
        return try result.get()
    }
}
