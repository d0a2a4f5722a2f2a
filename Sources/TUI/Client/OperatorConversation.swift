// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// What following a log needs of ``OperatorClient``: questions with answers, and one ordered stream of the rest.
protocol OperatorConversation: Sendable {
    /// The next event; nil at the end.
    func next() async -> OperatorClient.Event?
    /// Asks and waits for the answer.
    func request(
        _ request: OperatorRequest, timeout: Duration
    ) async throws(DeployError) -> OperatorMessage.Reply
}

extension OperatorConversation {
    /// Asks and waits for the answer, at most 30 seconds.
    func request(_ request: OperatorRequest) async throws(DeployError) -> OperatorMessage.Reply {
        try await self.request(request, timeout: .seconds(30))
    }
}

extension OperatorClient: OperatorConversation {}
