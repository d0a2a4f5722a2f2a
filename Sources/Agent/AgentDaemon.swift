// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Glibc
import Logging
import NIOCore
import NIOPosix
import ServiceLifecycle
import UnixSignals

/// The agent put together; the one place where all its parts are known.
struct AgentDaemon: Sendable {
    private let configuration: AgentConfiguration
    private let logger: Logger

    /// - Parameters:
    ///   - configuration: All settings.
    ///   - logger: Where the agent tells what it does.
    init(_ configuration: AgentConfiguration, logger: Logger) {
        self.configuration = configuration
        self.logger = logger
    }

    /// Runs until SIGTERM or SIGINT; throws when it cannot begin: `conflict` when another agent uses the directory,
    /// `forbidden` when the token's file is readable by others, or what the disk says.
    func run() async throws(DeployError) {
        MemoryArenas.limit()
        umask(0o027)
        ProcessProtection.forbidNewPrivileges()
        let directory = try StateDirectory(configuration.dataDirectory)
        let credentials = LinkCredentials(
            tokenFile: configuration.tokenFile, identity: IdentityDirectory(dataDirectory: directory.path))
        try check(credentials)
        raiseDescriptorLimit()
        let uplink = Uplink()
        // Output has its own loops: a slow disk there never holds up the link.
        let loops = MultiThreadedEventLoopGroup(numberOfThreads: min(2, System.coreCount))
        let policy = AgentPolicy(configuration.policyFile, logger: logger)
        let audit = AuditLog(directory.path + "/audit", logger: logger)
        let vault = SecretVault(directory: configuration.secretsDirectory)
        let factory = ExecutorFactory(
            hostNamespaces: HostNamespaces(targetProcess: configuration.hostProcess),
            cloud: CloudContent(endpoint: configuration.server, credentials: credentials),
            own: configuration.ownFiles, vault: vault, logger: logger,
            judge: { policy.judge($0) })
        let parts = TaskRunner.Parts(
            executors: try await factory.registry(configuration.executors),
            admission: TaskAdmission(policy: policy, vault: vault),
            journal: try TaskJournal(directory.path + "/journal"), audit: audit,
            spools: SpoolStore(directory.path + "/spool", limit: configuration.spoolLimit), uplink: uplink,
            loops: loops,
            logger: logger)
        let runner = TaskRunner(
            .init(
                maxConcurrency: configuration.maxConcurrency, grace: configuration.grace,
                logLimit: configuration.taskLogLimit),
            parts: parts)
        await runner.recover()
        let link = CloudLink(
            endpoint: configuration.server, credentials: credentials, enrolment: enrolment(credentials.identity),
            registration: registration(parts.executors, directory), runner: runner, uplink: uplink,
            policy: policy, audit: audit, witness: CloudWitness(audit, logger: logger), directory: directory.path,
            logger: logger)
        audit.note(.agent("agent.start", detail: ["version": .string(ProtocolVersion.product)]))
        logger.info(
            "agent started",
            metadata: ["version": "\(ProtocolVersion.product)", "server": "\(configuration.server.url)"])
        let records = AuditService(log: audit, policy: policy)
        await serve(link, runner, [records, PolicyReload(policy: policy)])
        let executors = parts.executors
        await end("connections of executors") { await executors.shutDown() }
        audit.note(.agent("agent.stop"))
        _ = audit.checkpoint()
        await end("event loops") { try? await loops.shutdownGracefully() }
        withExtendedLifetime(directory) { logger.info("agent stopped") }
    }

    /// Lets something go in good order, but waits a few seconds only: what is left of it ends with the process.
    private func end(_ what: String, _ body: @escaping @Sendable () async -> Void) async {
        let done = OneShot<Bool>()
        Task {
            await body()
            done.fulfil(true)
        }
        let timer = Task {
            if (try? await Task.sleep(for: .seconds(5))) != nil { done.fulfil(false) }
        }
        defer { timer.cancel() }
        guard await !done.value else { return }
        logger.warning("not closed in time", metadata: ["what": "\(what)"])
    }

    /// Services stop in reverse order: the runner ends its tasks while the link still carries their ends.
    private func serve(_ link: CloudLink, _ runner: TaskRunner, _ others: [any Service]) async {
        var group = ServiceGroupConfiguration(
            services: others.map { .init(service: $0) } + [.init(service: link), .init(service: runner)],
            gracefulShutdownSignals: [.sigterm, .sigint], logger: logger)
        group.maximumGracefulShutdownDuration = configuration.grace + .seconds(3630)
        do {
            try await ServiceGroup(configuration: group).run()
        } catch {
            logger.error("stopped by an error", metadata: ["error": "\(error)"])
        }
    }

    /// Files others can read are refused at once; a missing one is waited for, as the network is.
    private func check(_ credentials: LinkCredentials) throws(DeployError) {
        if credentials.needEnrolment, configuration.enrolmentTokenFile == nil {
            throw DeployError(
                .invalidArgument, "server.token-file is not set, and this agent is not enrolled",
                hint: "give --enrolment-token-file FILE with the output of 'tiangong enrolment create'")
        }
        do throws(DeployError) {
            _ = try credentials.load()
        } catch {
            if error.code == .forbidden { throw error }
        }
    }

    private func enrolment(_ identity: IdentityDirectory) -> Enrolment? {
        configuration.enrolmentTokenFile.map { file in
            Enrolment(
                endpoint: configuration.server, tokenFile: file, name: configuration.name, identity: identity,
                logger: logger)
        }
    }

    /// Each task needs about six descriptors, one that brings files twice as many. The limit is left alone when it is enough, since tasks inherit it.
    private func raiseDescriptorLimit() {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return }
        let each = configuration.executors.executors.contains { $0.type == TaskType.file.rawValue } ? 16 : 6
        let needed = rlim_t(configuration.maxConcurrency * each + 256)
        guard limit.rlim_cur < needed else { return }
        limit.rlim_cur = min(needed, limit.rlim_max)
        if setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) != 0 || limit.rlim_cur < needed {
            logger.warning(
                "the limit of open files is low for max-concurrency",
                metadata: ["limit": "\(limit.rlim_cur)", "needed": "\(needed)"])
        }
    }

    private func registration(_ executors: ExecutorRegistry, _ directory: StateDirectory) -> AgentRegister {
        var data = AgentRegister()
        data.protocol = ProtocolVersion.current
        data.hostname = HostFacts.hostname
        data.ip = HostFacts.address
        data.os = HostFacts.operatingSystem
        data.arch = HostFacts.architecture
        data.version = ProtocolVersion.product
        data.environment = configuration.environment.isEmpty ? nil : configuration.environment
        data.labels = configuration.labels.isEmpty ? nil : configuration.labels
        data.executors = executors.types
        data.executorDetails = executors.details
        data.maxConcurrency = configuration.maxConcurrency
        data.journalID = directory.id
        return data
    }
}
