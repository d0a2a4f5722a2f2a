// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Logging
import NIOSSL
import ServiceLifecycle
import Synchronization
import UnixSignals

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// What the server shows in the TLS handshake, renewed while it runs: new connections get the new certificate, open
/// ones keep theirs. Files that cannot be used leave the old certificate in place.
final class ServerTLS: Sendable, Service {
    /// Where the certificate comes from.
    enum Source: Sendable {
        /// Our own authority makes it, with these names.
        case own([String])
        /// Others made it.
        case files(certificate: String, key: String)
    }

    private struct State {
        var context: NIOSSLContext
        var renewAt: Timestamp?
        /// The files as they were when last tried.
        var files: [FileState]
        /// The files as they were when last looked at: what is still being replaced is left alone.
        var seen: [FileState] = []
    }

    /// Enough of a file to see that it was replaced.
    private struct FileState: Equatable {
        var inode: UInt64 = 0
        var size: Int64 = -1
        var seconds = 0
        var nanoseconds = 0

        init(_ path: String) {
            var info = stat()
            guard stat(path, &info) == 0 else { return }
            inode = UInt64(info.st_ino)
            size = Int64(info.st_size)
            seconds = Int(info.st_mtim.tv_sec)
            nanoseconds = Int(info.st_mtim.tv_nsec)
        }
    }

    private let source: Source
    private let authority: CertificateAuthority
    private let certificates: ClientCertificates
    private let logger: Logger
    private let state: Mutex<State>

    /// How often files and dates are looked at.
    private static let interval: Duration = .seconds(5)

    /// Throws what is wrong with the files; a server does not start without a certificate.
    init(
        source: Source, authority: CertificateAuthority, certificates: ClientCertificates, logger: Logger
    ) throws(DeployError) {
        self.source = source
        self.authority = authority
        self.certificates = certificates
        self.logger = logger
        state = Mutex(try Self.load(source, authority, certificates))
    }

    private static func load(
        _ source: Source, _ authority: CertificateAuthority, _ certificates: ClientCertificates
    ) throws(DeployError) -> State {
        let files = fileStates(source)
        let credentials: ServerCredentials
        switch source {
        case .own(let names): credentials = try authority.serverCredentials(names: names)
        case .files(let certificate, let key):
            credentials = try ServerCredentials(certificateFile: certificate, keyFile: key)
        }
        let context = try credentials.context(clientAuthority: certificates.mode == .off ? nil : authority)
        return State(context: context, renewAt: credentials.renewAt, files: files)
    }

    private static func fileStates(_ source: Source) -> [FileState] {
        guard case .files(let certificate, let key) = source else { return [] }
        return [FileState(certificate), FileState(key)]
    }

    /// The handler of one new connection.
    func handler() -> NIOSSLServerHandler {
        let context = state.withLock { $0.context }
        guard certificates.mode != .off else { return NIOSSLServerHandler(context: context) }
        let certificates = certificates
        return NIOSSLServerHandler(context: context) { chain, promise in certificates.verify(chain, promise) }
    }

    /// Loads everything again; keeps what there is when that fails, and says so once.
    private func reload(because reason: String) {
        let files = Self.fileStates(source)
        do throws(DeployError) {
            let new = try Self.load(source, authority, certificates)
            state.withLock { $0 = new }
            logger.notice("certificate loaded", metadata: ["because": "\(reason)"])
        } catch {
            state.withLock { $0.files = files }
            logger.error(
                "certificate not loaded, the old one stays",
                metadata: ["because": "\(reason)", "error": "\(error.message)", "try": "\(error.hint ?? "-")"])
        }
    }

    private func look() {
        let (renewAt, known) = state.withLock { ($0.renewAt, $0.files) }
        if let renewAt, renewAt <= .now() { return reload(because: "renewal") }
        let files = Self.fileStates(source)
        let hasSettled = state.withLock { state in
            defer { state.seen = files }
            return state.seen == files
        }
        if files != known, hasSettled { reload(because: "files changed") }
    }

    /// Watches the files, the dates and SIGHUP until the server stops.
    func run() async throws {
        await cancelWhenGracefulShutdown { [self] in
            await withTaskGroup(of: Void.self) { group in
                group.addTask {
                    for await _ in await UnixSignalsSequence(trapping: .sighup) { self.reload(because: "SIGHUP") }
                }
                while !Task.isCancelled {
                    try? await Task.sleep(for: Self.interval, tolerance: .milliseconds(500))
                    if !Task.isCancelled { look() }
                }
                group.cancelAll()
            }
        }
    }
}
