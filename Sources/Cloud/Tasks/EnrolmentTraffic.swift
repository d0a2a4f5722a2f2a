// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Logging
import Synchronization

/// Runs a link that was opened with an enrolment token: one `agent_enrol`, one answer, and its end.
struct EnrolmentTraffic: Sendable {
    let vault: TokenVault
    let certificates: ClientCertificates
    let signIns: SignInThrottle
    let logger: Logger

    /// How long a link may be open without enrolling.
    private static let deadline: Duration = .seconds(5)

    /// Serves a link until it ends.
    func serve(_ link: WebSocketLink, enrolment: EnrolmentID) async {
        let isAnswered = Mutex(false)
        await withTaskGroup(of: Void.self) { group in
            group.addTask {
                try? await Task.sleep(for: Self.deadline)
                if !Task.isCancelled { link.close(.policy("no enrolment")) }
            }
            _ = await link.run { frame in
                let isFirst = isAnswered.withLock { isAnswered in
                    defer { isAnswered = true }
                    return !isAnswered
                }
                if isFirst { await answer(frame, link, enrolment) }
            }
            group.cancelAll()
        }
    }

    private func answer(_ frame: WireFrame, _ link: WebSocketLink, _ enrolment: EnrolmentID) async {
        var id: String?
        do {
            let incoming = try AgentMessage.decode(frame)
            id = incoming.id
            guard case .enrol(let request) = incoming.message else {
                throw DeployError(.conflict, "agent_enrol is the one message of a link with an enrolment token")
            }
            let enrolled = try await enrol(request, enrolment, source: link.remoteAddress)
            link.outbox.offer(CloudMessage.enrolled(enrolled).frame(id: id), lane: .control)
            link.close(.normal)
        } catch {
            let (answer, record) = await refused(DeployError(wrapping: error), enrolment, link.remoteAddress)
            if let record {
                do {
                    try await AuditTrail.append(record, to: vault.store)
                } catch {
                    logger.error("refused enrolment not in the audit", metadata: ["error": "\(error)"])
                }
            }
            logger.notice(
                "enrolment refused", metadata: ["enrolment": "\(enrolment)", "error": "\(answer.message)"])
            link.outbox.offer(CloudMessage.error(answer).frame(id: id), lane: .control)
            link.close(.policy("not enrolled"))
        }
    }

    private func enrol(
        _ request: AgentEnrol, _ enrolment: EnrolmentID, source: String
    ) async throws -> AgentEnrolled {
        guard let name = request.name ?? request.hostname, !name.isEmpty else {
            throw DeployError(.invalidArgument, "data.name is missing")
        }
        let certificates = certificates
        let (agent, token, certificate) = try await vault.redeemEnrolment(enrolment, name: name, source: source) {
            agent, transaction in
            let certificate = try request.csr.flatMap { try certificates.issue($0, to: agent.id, transaction) }
            var record = AuditRecord(action: "agent.enrol", actor: "enrolment \(enrolment)")
            record.source = source
            record.agent = agent.name
            record.env = agent.environment
            record.result = "ok"
            record.detail = ["agent_id": .string(agent.id.rawValue)]
            if let serial = certificate?.certificate.serial { record.detail?["serial"] = .string(serial) }
            try AuditTrail.append(record, transaction)
            return certificate
        }
        logger.notice(
            "agent enrolled",
            metadata: ["agent.name": "\(agent.name)", "enrolment": "\(enrolment)", "peer": "\(source)"])
        return AgentEnrolled(agentID: agent.id, name: agent.name, token: token, certificate: certificate?.text)
    }

    /// What to answer to a refused enrolment, and its record; those of too many are only counted.
    private func refused(
        _ error: DeployError, _ enrolment: EnrolmentID, _ source: String
    ) async -> (DeployError, AuditRecord?) {
        let (answer, failure) = signIns.judge(error, from: source)
        guard failure != nil || answer == error else { return (answer, nil) }
        var record = AuditRecord(action: "agent.enrol", actor: "enrolment \(enrolment)").refused(error)
        record.source = source
        return (answer, record)
    }
}
