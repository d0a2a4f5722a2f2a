// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

public import Configuration
import SystemPackage

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

/// Where settings come from, strongest first: flags, environment, secrets directory, YAML file. Defaults are the reader's.
public enum ConfigurationStack {
    /// - Parameters:
    ///   - flags: Settings given on the command line, by key (`server.url`).
    ///   - file: A YAML file; nil for none.
    ///   - secretsDirectory: A directory with one file per setting, such as a mounted secret.
    ///   - environment: Variables; `TIANGONG_SERVER_URL` sets `server.url`.
    /// - Throws: `invalid_argument` naming the file when it cannot be read or is not YAML.
    public static func reader(
        flags: [String: String], file: String?, secretsDirectory: String? = nil,
        environment: [String: String] = ProcessInfo.processInfo.environment
    ) async throws(DeployError) -> ConfigReader {
        let prefix = "TIANGONG_"
        let variables = environment.filter { $0.key.hasPrefix(prefix) && !$0.value.isEmpty }
        var providers: [any ConfigProvider] = [
            EnvironmentVariablesProvider(
                environmentVariables: Dictionary(uniqueKeysWithValues: flags.map { (variableName($0.key), $0.value) })),
            EnvironmentVariablesProvider(
                environmentVariables: Dictionary(
                    uniqueKeysWithValues: variables.map { (String($0.key.dropFirst(prefix.count)), $0.value) })),
        ]
        do {
            if let secretsDirectory {
                providers.append(try await DirectoryFilesProvider(directoryPath: FilePath(secretsDirectory)))
            }
            if let file { providers.append(try await FileProvider<YAMLSnapshot>(filePath: FilePath(file))) }
        } catch {
            throw DeployError(
                .invalidArgument, "configuration cannot be read: \(error)", hint: "see tiangong-cloud.yaml(5)")
        }
        return ConfigReader(providers: providers)
    }

    /// The name a key has in the environment, without the prefix.
    private static func variableName(_ key: String) -> String {
        String(key.uppercased().map { $0 == "." || $0 == "-" ? "_" : $0 })
    }
}

/// Where programs keep their files.
public enum StandardPaths {
    /// An operator's contexts: `$XDG_CONFIG_HOME/tiangong`.
    public static func configDirectory(environment: [String: String] = ProcessInfo.processInfo.environment) -> String {
        directory("XDG_CONFIG_HOME", fallback: ".config", environment) + "/tiangong"
    }

    /// A program's state: `/var/lib/PROGRAM` for root, otherwise `$XDG_STATE_HOME/PROGRAM`.
    public static func stateDirectory(
        for program: String, environment: [String: String] = ProcessInfo.processInfo.environment
    ) -> String {
        if geteuid() == 0 { return "/var/lib/\(program)" }
        return directory("XDG_STATE_HOME", fallback: ".local/state", environment) + "/\(program)"
    }

    private static func directory(_ variable: String, fallback: String, _ environment: [String: String]) -> String {
        if let value = environment[variable], value.hasPrefix("/") { return value }
        return (environment["HOME"] ?? "/") + "/" + fallback
    }
}
