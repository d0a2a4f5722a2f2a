// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Logging
import ServiceLifecycle

/// Keeps the agent connected: dials, runs a session, and dials again for ever with growing, jittered pauses.
struct CloudLink: Service, CustomStringConvertible {
    /// Where to, and whom to believe.
    let endpoint: ServerEndpoint
    /// The file that holds the token; read again before each attempt, so that it can be replaced.
    let tokenFile: String
    /// What the agent says of itself.
    let registration: AgentRegister
    /// Takes tasks.
    let runner: TaskRunner
    /// Holds what is owed.
    let uplink: Uplink
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
                if await connect(until: stop) { backoff.reset() }
                if stop.current != nil { return }
                let pause = backoff.next()
                logger.debug("reconnecting", metadata: ["after": "\(pause)"])
                await wait(pause, or: stop)
            }
        } onGracefulShutdown: {
            stop.fulfil(())
        }
    }

    /// One connection from dial to end; true when the Cloud had accepted it.
    private func connect(until stop: OneShot<Void>) async -> Bool {
        do throws(DeployError) {
            let token = try PrivateFile.read(tokenFile)
            let link = try await WebSocketDialer.dial(endpoint, path: "/ws/agent", token: token)
            logger.info("connected", metadata: ["server": "\(endpoint.url)"])
            let session = CloudSession(
                link, runner: runner, uplink: uplink, registration: registration, directory: directory, logger: logger)
            let (reason, wasRegistered) = await session.run(until: stop)
            logger.notice("link ended", metadata: ["reason": "\(reason)"])
            // Two agents with one token would otherwise replace each other without a pause.
            return wasRegistered && reason != .replaced
        } catch {
            let level: Logger.Level = error.code == .unreachable || error.code == .unavailable ? .warning : .error
            var metadata: Logger.Metadata = ["code": "\(error.code.rawValue)", "error": "\(error.message)"]
            if let hint = error.hint { metadata["try"] = "\(hint)" }
            logger.log(level: level, "not connected", metadata: metadata)
            return false
        }
    }

    private func wait(_ pause: Duration, or stop: OneShot<Void>) async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask { try? await Task.sleep(for: pause) }
            group.addTask { _ = await stop.valueUnlessCanceled() }
            await group.next()
            group.cancelAll()
        }
    }
}
