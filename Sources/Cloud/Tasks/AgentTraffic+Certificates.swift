// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

extension AgentTraffic {
    /// A registered agent asks for its next client certificate; the one it has stays good until its end.
    func renewCertificate(
        _ request: CertificateRequest, _ session: AgentSession, replyTo id: String?
    ) async throws {
        guard certificates.mode != .off else {
            throw DeployError(.unsupported, "agents show no client certificates here")
        }
        let (agentID, name, source) = (session.agentID, session.name, session.link.remoteAddress)
        let certificates = certificates
        let issued = try await store.write { transaction -> ClientCertificate.PEM? in
            guard let certificate = try certificates.issue(request.csr, to: agentID, transaction) else { return nil }
            var record = AuditRecord(action: "agent.certificate", actor: "agent \(name)")
            record.source = source
            record.agent = name
            record.result = "ok"
            record.detail = [
                "serial": .string(certificate.certificate.serial),
                "not_after": .string(certificate.certificate.notAfter.description),
            ]
            try AuditTrail.append(record, transaction)
            return certificate
        }
        if let issued { session.send(.certificate(CertificateIssued(certificate: issued.text)), id: id) }
    }
}
