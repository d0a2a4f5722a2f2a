// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Logging
import ServiceLifecycle

/// Keeps the agent connected: dials, runs a session, and dials again for ever with growing, jittered pauses.
struct CloudLink: Service, CustomStringConvertible {
    /// Where to, and whom to believe.
    let endpoint: ServerEndpoint
    /// What each link is opened with; read again before each attempt, so that it can be replaced.
    let credentials: LinkCredentials
    /// Brings credentials when there are none yet; nil without an enrolment token.
    let enrolment: Enrolment?
    /// What the agent says of itself.
    let registration: AgentRegister
    /// Takes tasks.
    let runner: TaskRunner
    /// Holds what is owed.
    let uplink: Uplink
    /// The agent's own policy, of which the Cloud is told.
    let policy: AgentPolicy
    /// The agent's audit.
    let audit: AuditLog
    /// Keeps what the Cloud says of its own audit.
    let witness: CloudWitness
    /// Where the agent keeps its state.
    let directory: String
    /// Where it tells how the link fares.
    let logger: Logger

    /// For logs.
    var description: String { "link to \(endpoint.url)" }

    /// Runs until the agent stops.
    func run() async {
        let stop = OneShot<Void>()
        await withGracefulShutdownHandler {
            var backoff = Backoff()
            while stop.current == nil, !Task.isCancelled {
                let ending = await connect(until: stop)
                if stop.current != nil { return }
                var pause = Duration.zero
                switch ending {
                case .failed(let seconds): pause = max(backoff.next(), .seconds(seconds))
                case .accepted:
                    backoff.reset()
                    pause = backoff.next()
                case .renewed: continue
                }
                logger.debug("reconnecting", metadata: ["after": "\(pause)"])
                await stop.wait(atMost: pause)
            }
        } onGracefulShutdown: {
            stop.fulfil(())
        }
    }

    /// How a connection ended, for what to do next.
    private enum Ending {
        /// The Cloud had not accepted it, or somebody took its place: the pauses grow. It may have said how many
        /// seconds the next one must be at least.
        case failed(atLeast: Int)
        /// The Cloud had accepted it.
        case accepted
        /// There is a new certificate, to be used at once.
        case renewed
    }

    /// One connection from dial to end.
    private func connect(until stop: OneShot<Void>) async -> Ending {
        do throws(DeployError) {
            if credentials.needEnrolment { try await enrolment?.run() }
            let (token, identity) = try credentials.load()
            let link = try await WebSocketDialer.dial(endpoint, path: "/ws/agent", token: token, identity: identity)
            logger.info("connected", metadata: ["server": "\(endpoint.url)"])
            let session = CloudSession(
                link, runner: runner, uplink: uplink, registration: registration, policy: policy,
                renewal: CertificateRenewal(identity: credentials.identity, logger: logger), audit: audit,
                witness: witness, directory: directory, logger: logger)
            let (reason, wasRegistered) = await session.run(until: stop)
            logger.notice("link ended", metadata: ["reason": "\(reason)"])
            // Two agents with one token would otherwise replace each other without a pause.
            guard wasRegistered, reason != .replaced else { return .failed(atLeast: 0) }
            return session.hasRenewed ? .renewed : .accepted
        } catch {
            let level: Logger.Level = error.code == .unreachable || error.code == .unavailable ? .warning : .error
            var metadata: Logger.Metadata = ["code": "\(error.code.rawValue)", "error": "\(error.message)"]
            if let hint = error.hint { metadata["try"] = "\(hint)" }
            logger.log(level: level, "not connected", metadata: metadata)
            return .failed(atLeast: min(error.retryAfter ?? 0, 300))
        }
    }
}
