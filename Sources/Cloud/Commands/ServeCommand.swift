// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Core

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

struct ServeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "serve", abstract: "Run the server (the default).")

    @Option(help: "Configuration file; /etc/tiangong/cloud.yaml when it exists.")
    var config: String?

    @Option(help: "HOST:PORT to listen on; port 0 picks a free one.")
    var listen: String?

    @Option(help: "Where the server keeps its state.")
    var dataDir: String?

    @Option(name: .customLong("name"), help: "A name or address of this server, for its certificate. May be repeated.")
    var names: [String] = []

    @Option(help: "trace, debug, info, notice, warning, error or critical.")
    var logLevel: String?

    func run() async throws {
        do {
            MemoryArenas.limit()
            signal(SIGPIPE, SIG_IGN)
            var flags: [String: String] = [:]
            if let listen { flags["listen"] = listen }
            if let dataDir { flags["data-dir"] = try AbsolutePath.of(dataDir) }
            if !names.isEmpty { flags["names"] = names.joined(separator: ",") }
            if let logLevel { flags["log.level"] = logLevel }
            let reader = try await ConfigurationStack.reader(flags: flags, file: ServerFile.path(config))
            let configuration = try CloudConfiguration(reader: reader)
            let logger = try LineLogHandler.logger(program: "tiangong-cloud", level: configuration.logLevel)
            try await CloudServer(configuration: configuration, logger: logger).run()
        } catch { throw CommandFailure.report(error) }
    }
}
