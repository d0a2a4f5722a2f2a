// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Logging
import Synchronization

/// Asks for the next client certificate over a live link, when a third of the present one's life is left.
final class CertificateRenewal: Sendable {
    /// The `id` of its requests, by which their answers are known.
    static let messageID = "certificate"

    private let identity: IdentityDirectory
    private let logger: Logger
    private let answer = Mutex<OneShot<Result<CertificateIssued, DeployError>>?>(nil)

    /// How long the Cloud may take to answer.
    private static let patience: Duration = .seconds(20)

    /// - Parameters:
    ///   - identity: Where key and certificate are.
    ///   - logger: Where it tells what it does.
    init(identity: IdentityDirectory, logger: Logger) {
        self.identity = identity
        self.logger = logger
    }

    /// What the Cloud answered; false when nothing was asked.
    @discardableResult
    func receive(_ result: Result<CertificateIssued, DeployError>) -> Bool {
        answer.withLock { $0?.fulfil(result) ?? false }
    }

    /// Runs until a new certificate is in place (true), or until there is nothing to ask for or the link ends (false).
    ///
    /// - Parameter send: Queues a message; false when the link is closing.
    func run(send: @Sendable (AgentMessage) -> Bool) async -> Bool {
        guard identity.hasKey else { return false }
        while !Task.isCancelled {
            let present = identity.certificate()
            await sleep(until: present?.renewAt() ?? .now())
            guard !Task.isCancelled else { return false }
            do throws(DeployError) {
                try await renew(send)
                return true
            } catch {
                if error.code == .unsupported { return false }
                logger.warning("certificate not renewed", metadata: ["error": "\(error.message)"])
                try? await Task.sleep(for: Self.pause(present, error))
            }
        }
        return false
    }

    private func renew(_ send: (AgentMessage) -> Bool) async throws(DeployError) {
        let key = ClientKey()
        let answer = OneShot<Result<CertificateIssued, DeployError>>()
        self.answer.withLock { $0 = answer }
        defer { self.answer.withLock { $0 = nil } }
        guard send(.certificateRequest(CertificateRequest(csr: try key.certificateRequest()))) else {
            throw DeployError(.unavailable, "the link is closing")
        }
        let timer = Task {
            try await Task.sleep(for: Self.patience)
            answer.fulfil(.failure(DeployError(.unavailable, "no answer to certificate_request")))
        }
        defer { timer.cancel() }
        guard let result = await answer.valueUnlessCanceled() else {
            throw DeployError(.unavailable, "the link has ended")
        }
        let certificate = try result.get().certificate
        try identity.replace(key: key, certificate: certificate)
        let end = ClientCertificate(pem: certificate).map { "\($0.notAfter)" } ?? "-"
        logger.notice("certificate renewed", metadata: ["until": "\(end)"])
    }

    /// A tenth of the time that is left, so that there are several tries, within a second and an hour.
    private static func pause(_ present: ClientCertificate?, _ error: DeployError) -> Duration {
        let left = Double((present?.notAfter.milliseconds ?? 0) - Timestamp.now().milliseconds) / 1000
        let seconds = max(Double(error.retryAfter ?? 1), min(3600, left > 0 ? left / 10 : 60))
        return .milliseconds(Int64(seconds * 1000))
    }

    /// In short steps, so that a clock that is set, or a host that slept, is noticed.
    private func sleep(until moment: Timestamp) async {
        while !Task.isCancelled {
            let left = moment.milliseconds - Timestamp.now().milliseconds
            if left <= 0 { return }
            try? await Task.sleep(for: .milliseconds(min(left, 600_000)))
        }
    }
}
