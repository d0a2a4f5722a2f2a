// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Core

/// Options that every command takes, before or after its name.
struct GlobalOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Use this stored context.", valueName: "name"))
    var context: String?

    @Option(help: ArgumentHelp("The Cloud, such as https://cloud.example:8443.", valueName: "url"))
    var server: String?

    @Option(help: ArgumentHelp("Believe the authorities in this PEM file.", valueName: "file"))
    var caFile: String?

    @Option(help: ArgumentHelp("Believe the certificate with this SHA-256.", valueName: "hex"))
    var fingerprint: String?

    @Option(help: ArgumentHelp("Read the token from this file.", valueName: "file"))
    var tokenFile: String?

    @Option(name: .shortAndLong, help: ArgumentHelp("table, json or jsonl.", valueName: "format"))
    var output: OutputFormat?

    @Option(help: ArgumentHelp("auto, always or never.", valueName: "when"))
    var color: ColorMode?

    @Flag(name: .shortAndLong, help: "Print results only.")
    var quiet = false

    /// What they say about the server.
    var connection: ConnectionFlags {
        ConnectionFlags(
            context: context, server: server, caFile: caFile, fingerprint: fingerprint, tokenFile: tokenFile)
    }
}

/// Which agents: by name, by label, or all.
struct SelectorOptions: ParsableArguments {
    @Option(name: .shortAndLong, help: ArgumentHelp("An agent's name; may be given several times.", valueName: "name"))
    var agent: [String] = []

    @Option(
        name: .shortAndLong,
        help: ArgumentHelp("Agents with this label; several must all match.", valueName: "key=value"))
    var label: [String] = []

    @Flag(help: "Every agent.")
    var all = false

    /// The selector. Throws `invalid_argument` when it is empty, contradictory or malformed.
    func selector() throws(DeployError) -> TargetSelector {
        let selector = TargetSelector(agents: try Self.names(agent), labels: try Self.labels(label), all: all)
        guard !selector.isEmpty else {
            throw DeployError(.invalidArgument, "no agents are selected", hint: "use -a NAME, -l KEY=VALUE or --all")
        }
        guard !all || agent.isEmpty && label.isEmpty else {
            throw DeployError(.invalidArgument, "--all cannot be combined with -a or -l")
        }
        return selector
    }

    /// Names, each option's split at commas, none twice.
    static func names(_ options: [String], what: String = "agent") throws(DeployError) -> [String] {
        var names: [String] = []
        for option in options {
            for name in option.split(separator: ",", omittingEmptySubsequences: false) {
                guard !name.isEmpty else {
                    throw DeployError(.invalidArgument, "the name of an \(what) is empty in '\(option)'")
                }
                if !names.contains(String(name)) { names.append(String(name)) }
            }
        }
        return names
    }

    /// Labels, each option's split at commas.
    static func labels(_ options: [String]) throws(DeployError) -> [String: String] {
        var labels: [String: String] = [:]
        for option in options {
            for pair in option.split(separator: ",", omittingEmptySubsequences: false) {
                let (key, value) = try OptionPair.parse(String(pair), what: "label")
                if let other = labels[key], other != value {
                    throw DeployError(.invalidArgument, "label '\(key)' is both '\(other)' and '\(value)'")
                }
                labels[key] = value
            }
        }
        return labels
    }
}

/// `KEY=VALUE`.
enum OptionPair {
    /// Splits at the first `=`. Throws `invalid_argument` when there is none or the key is empty.
    static func parse(_ text: String, what: String) throws(DeployError) -> (key: String, value: String) {
        guard let split = text.firstIndex(of: "="), split != text.startIndex else {
            throw DeployError(.invalidArgument, "\(what) '\(text)' is not KEY=VALUE")
        }
        return (String(text[..<split]), String(text[text.index(after: split)...]))
    }
}
