// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Logging

/// Makes this host an agent: shows an enrolment token once, and keeps the identity that the Cloud gives for it.
struct Enrolment: Sendable {
    /// Where the Cloud is, and whom to believe.
    let endpoint: ServerEndpoint
    /// The file with the enrolment token; not needed afterwards.
    let tokenFile: String
    /// The name to ask for.
    let name: String
    /// Where the identity is kept.
    let identity: IdentityDirectory
    /// Where the agent tells what it does.
    let logger: Logger

    /// How long the Cloud may take to answer.
    private static let patience: Duration = .seconds(20)

    /// Enrols once.
    ///
    /// Throws `invalid_argument` when nothing says which Cloud to believe, and what the Cloud or the network says.
    func run() async throws(DeployError) {
        guard endpoint.trust != .system else {
            throw DeployError(
                .invalidArgument, "nothing says which server to believe with the enrolment token",
                hint: "give --ca-file or --fingerprint; tiangong-cloud fingerprint prints it")
        }
        let token = try PrivateFile.read(tokenFile)
        let key = ClientKey()
        let request = AgentEnrol(name: name, hostname: HostFacts.hostname, csr: try key.certificateRequest())
        let link = try await WebSocketDialer.dial(endpoint, path: "/ws/agent", token: token)
        let enrolled = try await exchange(request, over: link)
        try identity.keep(enrolled, key: key)
        logger.notice(
            "enrolled",
            metadata: [
                "agent": "\(enrolled.agentID)", "name": "\(enrolled.name)",
                "certificate": enrolled.certificate == nil ? "none" : "issued",
            ])
    }

    private func exchange(_ request: AgentEnrol, over link: WebSocketLink) async throws(DeployError) -> AgentEnrolled {
        let answer = OneShot<Result<AgentEnrolled, DeployError>>()
        link.outbox.offer(AgentMessage.enrol(request).frame(id: "enrol"), lane: .control)
        let reason = await withTaskGroup(of: Void.self) { group in
            group.addTask {
                try? await Task.sleep(for: Self.patience)
                if !Task.isCancelled { link.close(.protocolError("no answer to the enrolment")) }
            }
            defer { group.cancelAll() }
            return await link.run { frame in
                do throws(DeployError) {
                    switch try CloudMessage.decode(frame).message {
                    case .enrolled(let enrolled): answer.fulfil(.success(enrolled))
                    case .error(let error): answer.fulfil(.failure(error))
                    default: answer.fulfil(.failure(DeployError(.protocolError, "not an answer to agent_enrol")))
                    }
                } catch {
                    answer.fulfil(.failure(error))
                }
                link.close(.normal)
            }
        }
        guard let result = answer.current else {
            throw DeployError(.unavailable, "the link ended before the Cloud had answered: \(reason)")
        }
        return try result.get()
    }
}

extension OneShot where Value == Void {
    /// Waits for the value or for a time, whichever comes first.
    func wait(atMost pause: Duration) async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask { try? await Task.sleep(for: pause) }
            group.addTask { _ = await self.valueUnlessCanceled() }
            await group.next()
            group.cancelAll()
        }
    }
}
