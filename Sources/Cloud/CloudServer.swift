// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Hummingbird
import HummingbirdCore
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

        let hub = Hub(sessionsPerToken: configuration.limits.sessionsPerToken)
        let feed = LogFeed()
        let tasks = TaskManager(
            store: store, hub: hub, feed: feed, logger: logger, defaultExpiry: configuration.defaultExpiry)
        let authority = CertificateAuthority(
            directory: "\(directory)/tls", leafLifetime: .seconds(configuration.leafLifetime))
        // The authority is needed for the agents' certificates also when the server's own is somebody else's.
        _ = try authority.serverCredentials(names: names(replica))
        let certificates = try ClientCertificates(
            store: store, authority: authority, mode: configuration.clientCertificates,
            lifetime: .seconds(configuration.clientLifetime), logger: logger)
        try await certificates.refresh()
        let audit = try await AuditCheckpoints.open(store, directory: directory, logger: logger)
        let traffic = AgentTraffic(
            store: store, hub: hub, tasks: tasks, recovery: TaskRecovery(store: store, hub: hub, feed: feed),
            ingest: LogIngest(store: store, feed: feed, logger: logger), certificates: certificates, audit: audit,
            replica: replica,
            heartbeatInterval: configuration.heartbeatInterval, logger: logger)
        let service = OperatorService(store: store, tasks: tasks, feed: feed, replica: replica)
        let vault = TokenVault(store: store)
        let edge = Edge(configuration.limits)
        let tls = try ServerTLS(
            source: configuration.certificateSource(names: names(replica)), authority: authority,
            certificates: certificates, logger: logger)
        let policy = UpgradePolicy(
            vault: vault, edge: edge, certificates: certificates,
            origins: AllowedOrigins(configured: configuration.origins, names: names(replica)), logger: logger)
        let enrolment = EnrolmentTraffic(
            vault: vault, certificates: certificates, signIns: edge.signIns, logger: logger)
        let server = HTTPServerBuilder { responder in
            UpgradeChannel(responder: responder, policy: policy, tls: tls) { link, identity in
                switch identity {
                case .enrolment(let id): await enrolment.serve(link, enrolment: id)
                case .agent(let id, let token): await traffic.serve(link, agentID: id, token: token)
                case .operator(let principal): await Self.serve(link, principal, hub: hub, service: service)
                }
            }
        }
        let addressFile = "\(directory)/address"
        let http = Application(
            responder: APIResponder(service: service, hub: hub, policy: policy, logger: logger), server: server,
            configuration: ApplicationConfiguration(
                address: .hostname(configuration.host, port: configuration.port), serverName: nil, backlog: 4096),
            onServerRunning: { channel in announce(channel, addressFile) },
            eventLoopGroupProvider: .shared(MultiThreadedEventLoopGroup.singleton), logger: quiet(logger))
        let timeouts = TaskTimeouts(
            store: store, hub: hub, feed: feed, lostAfter: configuration.lostAfter, logger: logger)
        var group = ServiceGroupConfiguration(
            services: [
                .init(service: audit), .init(service: http), .init(service: timeouts), .init(service: tls),
                .init(service: certificates),
                .init(service: CredentialWatch(store: store, hub: hub, logger: logger)), .init(service: hub),
            ],
            gracefulShutdownSignals: [.sigterm, .sigint], logger: quiet(logger))
        group.maximumGracefulShutdownDuration = .seconds(20)
        defer { unlink(addressFile) }
        try await ServiceGroup(configuration: group).run()
        do {
            try await audit.sign()
        } catch {
            logger.error("last audit checkpoint not written", metadata: ["error": "\(error)"])
        }
        await store.driver.close()
        logger.info("stopped")
    }

    private static func serve(
        _ link: WebSocketLink, _ principal: Principal, hub: Hub, service: OperatorService
    ) async {
        let session = OperatorSession(link: link, principal: principal, service: service)
        if let reason = await enter(session, principal, hub: hub, service: service) {
            // The link must run even so: an upgraded channel that nobody runs is never closed, and traps.
            link.close(reason)
            _ = await link.run { _ in }
            return
        }
        await session.serve()
        hub.detach(session)
    }

    /// Lets an operator's link in, on record; why not otherwise.
    private static func enter(
        _ session: OperatorSession, _ principal: Principal, hub: Hub, service: OperatorService
    ) async -> CloseReason? {
        do {
            try await AuditTrail.append(
                AuditRecord("sign_in", as: principal).with(["token": .string(principal.token.rawValue)]),
                to: service.store)
        } catch {
            return .unrecorded
        }
        return hub.attach(session)
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
