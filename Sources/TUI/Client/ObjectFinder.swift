// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// What an id on the command line names.
enum FoundObject: Sendable {
    /// One task.
    case task(TaskDetail)
    /// A run with its tasks.
    case run(RunDetail)

    /// The tasks meant.
    var tasks: [TaskRecord] {
        switch self {
        case .task(let detail): [detail.task]
        case .run(let detail): detail.tasks
        }
    }

    /// Finds a task or a run by id or unique prefix.
    ///
    /// Throws `not_found` when there is neither, `ambiguous` when there are several.
    static func find(_ id: String, _ client: OperatorClient) async throws(DeployError) -> FoundObject {
        async let taskAnswer = answer(client, .taskShow(ObjectQuery(id: id)), TaskDetail.self)
        async let runAnswer = answer(client, .runShow(ObjectQuery(id: id)), RunDetail.self)
        switch (await taskAnswer, await runAnswer) {
        case (.success(let task), .success(let run)):
            if task.task.id.rawValue == id { return .task(task) }
            if run.run.id.rawValue == id { return .run(run) }
            throw DeployError(.ambiguous, "'\(id)' is the beginning of task \(task.task.id) and of run \(run.run.id)")
        case (.success(let task), .failure): return .task(task)
        case (.failure, .success(let run)): return .run(run)
        case (.failure(let error), .failure(let other)):
            if error.code == .notFound, other.code != .notFound { throw other }
            if error.code == .notFound {
                throw DeployError(.notFound, "there is no task or run '\(id)'", hint: "tiangong task list")
            }
            throw error
        }
    }

    private static func answer<Value: Decodable & Sendable>(
        _ client: OperatorClient, _ request: OperatorRequest, _: Value.Type
    ) async -> Result<Value, DeployError> {
        do throws(DeployError) {
            return .success(try await client.request(request).data(as: Value.self))
        } catch {
            return .failure(error)
        }
    }
}
