// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Hummingbird
import HummingbirdCore
import HummingbirdTLS
import Logging
import NIOCore
import NIOPosix
import ServiceLifecycle
import UnixSignals

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif
#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// The composition root: builds every room and runs them until a signal.
struct CloudServer {
    let configuration: CloudConfiguration
    let logger: Logger

    /// Runs until TERM or INT; returns after the database is closed.
    func run() async throws {
        let directory = configuration.dataDirectory
        let lock = try DataDirectoryLock(directory: directory)
        defer { withExtendedLifetime(lock) {} }
        raiseDescriptorLimit()
        let store = try await Store.open(directory: directory)
        let replica = Self.hostName()
        try await store.write { try AgentTable.disconnectAll(replica: replica, $0) }

        let hub = Hub()
        let feed = LogFeed()
        let tasks = TaskManager(
            store: store, hub: hub, feed: feed, logger: logger, defaultExpiry: configuration.defaultExpiry)
        let traffic = AgentTraffic(
            store: store, hub: hub, tasks: tasks, recovery: TaskRecovery(store: store, hub: hub, feed: feed),
            ingest: LogIngest(store: store, feed: feed, logger: logger), replica: replica,
            heartbeatInterval: configuration.heartbeatInterval, logger: logger)
        let service = OperatorService(store: store, tasks: tasks, feed: feed, replica: replica)
        let policy = UpgradePolicy(vault: TokenVault(store: store))

        let tls = try CertificateAuthority(directory: "\(directory)/tls").serverConfiguration(names: names(replica))
        let server = try HTTPServerBuilder.tls(
            HTTPServerBuilder { responder in
                UpgradeChannel(responder: responder, policy: policy) { link, identity in
                    await Self.serve(link, identity, hub: hub, traffic: traffic, service: service)
                }
            }, tlsConfiguration: tls)
        let addressFile = "\(directory)/address"
        let http = Application(
            router: APIRouter(store: store, policy: policy).build(), server: server,
            configuration: ApplicationConfiguration(
                address: .hostname(configuration.host, port: configuration.port), serverName: nil, backlog: 4096),
            onServerRunning: { channel in announce(channel, addressFile) },
            eventLoopGroupProvider: .shared(MultiThreadedEventLoopGroup.singleton), logger: quiet(logger))
        let timeouts = TaskTimeouts(
            store: store, hub: hub, feed: feed, lostAfter: configuration.lostAfter, logger: logger)
        var group = ServiceGroupConfiguration(
            services: [.init(service: http), .init(service: timeouts), .init(service: hub)],
            gracefulShutdownSignals: [.sigterm, .sigint], logger: quiet(logger))
        group.maximumGracefulShutdownDuration = .seconds(20)
        defer { unlink(addressFile) }
        try await ServiceGroup(configuration: group).run()
        await store.driver.close()
        logger.info("stopped")
    }

    private static func serve(
        _ link: WebSocketLink, _ identity: Identity, hub: Hub, traffic: AgentTraffic, service: OperatorService
    ) async {
        switch identity {
        case .agent(let agentID, _): await traffic.serve(link, agentID: agentID)
        case .operator(let principal):
            let session = OperatorSession(link: link, principal: principal, service: service)
            guard hub.attach(session) else {
                // The link must run even so: an upgraded channel that nobody runs is never closed, and traps.
                link.close(.goingAway)
                _ = await link.run { _ in }
                return
            }
            await session.serve()
            hub.detach(session)
        }
    }

    /// Says where the server listens, in the log and in `DATA-DIR/address`.
    private func announce(_ channel: any Channel, _ addressFile: String) {
        guard let port = channel.localAddress?.port else { return }
        let host = ["0.0.0.0", "::"].contains(configuration.host) ? "127.0.0.1" : configuration.host
        let url = host.contains(":") ? "https://[\(host)]:\(port)" : "https://\(host):\(port)"
        do {
            try PrivateFile.write(url + "\n", to: addressFile, mode: 0o644)
        } catch {
            logger.error("address not written", metadata: ["error": "\(error)"])
        }
        logger.info("listening", metadata: ["url": "\(url)", "version": "\(ProtocolVersion.product)"])
    }

    /// Every link is a descriptor; the usual soft limit of 1024 is below a thousand agents.
    private func raiseDescriptorLimit() {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0, limit.rlim_cur < limit.rlim_max
        else {
            return
        }
        limit.rlim_cur = limit.rlim_max
        if setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) != 0 {
            logger.warning("the limit of open files cannot be raised", metadata: ["errno": "\(errno)"])
        }
    }

    private func names(_ replica: String) -> [String] {
        var names = ["localhost", "127.0.0.1", "::1", replica] + configuration.names
        if !["0.0.0.0", "::", "127.0.0.1", "localhost"].contains(configuration.host) {
            names.append(configuration.host)
        }
        var seen: Set<String> = []
        return names.filter { !$0.isEmpty && seen.insert($0).inserted }
    }

    /// The libraries' own chatter, one level quieter than ours.
    private func quiet(_ logger: Logger) -> Logger {
        var quiet = logger
        if quiet.logLevel == .info { quiet.logLevel = .warning }
        return quiet
    }

    private static func hostName() -> String {
        var buffer = [CChar](repeating: 0, count: 256)
        guard gethostname(&buffer, 255) == 0 else { return "localhost" }
        let bytes = buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
        return bytes.isEmpty ? "localhost" : String(decoding: bytes, as: UTF8.self)
    }
}
