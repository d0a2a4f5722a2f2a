// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

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

/// A server an operator logged in to.
struct StoredContext: Sendable, Equatable, Codable {
    /// The server's URL.
    var server: String
    /// The name of the copied CA file in the same directory.
    var caFile: String?
    /// The pinned certificate.
    var fingerprint: String?
    /// The operator's token.
    var token: String?

    enum CodingKeys: String, CodingKey {
        case server, fingerprint, token
        case caFile = "ca_file"
    }
}

/// Everything in contexts.json.
struct ContextFile: Sendable, Equatable, Codable {
    /// The context used when none is named.
    var current: String?
    /// By name.
    var contexts: [String: StoredContext] = [:]
}

/// `contexts.json`: servers and tokens, readable by their owner only.
struct ContextStore: Sendable {
    /// The directory that holds the file and the copied CA files.
    let directory: String

    /// - Parameter directory: Where; made with mode 0700 when something is stored.
    init(directory: String) { self.directory = directory }

    /// The store that the environment points to: `$TIANGONG_CONFIG_DIR`, else `$XDG_CONFIG_HOME/tiangong`.
    init(environment: [String: String]) {
        if let directory = environment["TIANGONG_CONFIG_DIR"], !directory.isEmpty {
            self.directory = directory
        } else {
            directory = StandardPaths.configDirectory(environment: environment)
        }
    }

    /// The file.
    var path: String { directory + "/contexts.json" }

    /// Where a context's copied CA file is.
    func caPath(_ context: StoredContext) -> String? { context.caFile.map { directory + "/" + $0 } }

    /// Reads the file; an absent one is an empty store.
    ///
    /// Throws `forbidden` when others may read it, `invalid_argument` when it is not what we wrote.
    func load() throws(DeployError) -> ContextFile {
        guard access(path, F_OK) == 0 else { return ContextFile() }
        let text = try PrivateFile.read(path)
        try JSONLimits.check(text.utf8)
        let file: ContextFile
        do {
            file = try JSONDecoder().decode(ContextFile.self, from: Data(text.utf8))
        } catch {
            throw DeployError(
                .invalidArgument, "\(path) is damaged: \(DeployError(wrapping: error).message)",
                hint: "remove it and log in again")
        }
        for (name, context) in file.contexts {
            guard Self.isName(name), context.caFile.map(Self.isName) ?? true else {
                throw DeployError(.invalidArgument, "\(path) has a bad name in it", hint: "remove it and log in again")
            }
        }
        return file
    }

    /// Writes the whole file, mode 0600.
    func save(_ file: ContextFile) throws(DeployError) {
        try PrivateFile.makeDirectory(directory)
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        let data: Data
        do {
            data = try encoder.encode(file)
        } catch {
            throw DeployError(wrapping: error)
        }
        try PrivateFile.write(String(decoding: data, as: UTF8.self) + "\n", to: path)
    }

    /// Copies a CA file's content to where a context of this name keeps it; the name of the copy.
    func keepCA(_ source: String, for name: String) throws(DeployError) -> String {
        let pem = try BoundedFile.text(source, limit: 1 << 20)
        try PrivateFile.makeDirectory(directory)
        let copy = "\(name).ca.pem"
        try PrivateFile.write(pem, to: directory + "/" + copy)
        return copy
    }

    /// Whether a text can name a context: 1 to 64 of letters, digits, `.`, `_`, `-`, not starting with a dot.
    static func isName(_ text: String) -> Bool {
        (1...80).contains(text.utf8.count) && !text.hasPrefix(".") && !text.hasPrefix("-")
            && text.utf8.allSatisfy {
                (48...57).contains($0) || (65...90).contains($0) || (97...122).contains($0)
                    || [45, 46, 95].contains($0)
            }
    }
}
