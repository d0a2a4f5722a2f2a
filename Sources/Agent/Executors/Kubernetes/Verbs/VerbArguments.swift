// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// Words and options of a statement, with the meanings that all verbs share.
struct VerbArguments: Sendable {
    let statement: KubernetesStatement

    init(_ statement: KubernetesStatement) { self.statement = statement }

    var verb: String { statement.command.verb }
    var words: [String] { statement.command.words }

    /// Throws `invalid_argument` for options and manifests that the verb does not take.
    func check(options: Set<String>, manifests: Bool) throws(DeployError) {
        for option in statement.command.options where option.name != "namespace" && !options.contains(option.name) {
            throw DeployError(
                .invalidArgument, "\(verb) does not take --\(option.name)",
                hint: "it takes \((options.sorted() + ["namespace"]).map { "--\($0)" }.joined(separator: ", "))")
        }
        if let file = text("filename"), file != "-" {
            throw DeployError(
                .invalidArgument, "manifests are not read from files", hint: "write them below the first line")
        }
        if !manifests, !statement.objects.isEmpty {
            throw DeployError(.invalidArgument, "\(verb) takes nothing below its first line")
        }
        if let namespace = text("namespace"), !ResourcePath.isName(namespace) {
            throw DeployError(.invalidArgument, "'\(namespace.prefix(64))' is not the name of a namespace")
        }
    }

    // MARK: Options

    func text(_ name: String) -> String? { statement.command.option(name) }
    func flag(_ name: String) -> Bool { statement.command.isSet(name) }

    func integer(_ name: String, in range: ClosedRange<Int>) throws(DeployError) -> Int? {
        guard let text = text(name) else { return nil }
        guard let number = Int(text), range.contains(number) else {
            throw DeployError(
                .invalidArgument,
                "--\(name) '\(text.prefix(32))' is not a number from \(range.lowerBound) to \(range.upperBound)")
        }
        return number
    }

    /// Seconds from a span such as `90s`, `5m` or `1h30m`.
    func seconds(_ name: String) throws(DeployError) -> Double? {
        guard let text = text(name) else { return nil }
        guard let seconds = Self.span(text) else {
            throw DeployError(
                .invalidArgument, "--\(name) '\(text.prefix(32))' is not a span of time",
                hint: "such as 90s, 5m or 1h30m")
        }
        return seconds
    }

    static func span(_ text: String) -> Double? {
        var total = 0.0
        var rest = text[...]
        guard !rest.isEmpty else { return nil }
        while !rest.isEmpty {
            let number = rest.prefix { $0.isNumber || $0 == "." }
            let unit = rest[number.endIndex...].prefix { $0.isLetter }
            guard !number.isEmpty, let seconds = try? TimeSpan.seconds(String(number + unit)) else { return nil }
            total += seconds
            rest = rest[unit.endIndex...]
        }
        return total
    }

    /// One of some words.
    func word(_ name: String, _ words: [String]) throws(DeployError) -> String? {
        guard let text = text(name) else { return nil }
        guard words.contains(text) else {
            throw DeployError(
                .invalidArgument, "--\(name) '\(text.prefix(32))' is none of \(words.joined(separator: ", "))")
        }
        return text
    }

    /// Whether the server is only to say what it would do.
    func isDryRun() throws(DeployError) -> Bool {
        switch text("dry-run") {
        case nil, "none", "false": return false
        case "server", "true": return true
        default:
            throw DeployError(
                .invalidArgument, "--dry-run is done by the server only", hint: "write --dry-run or --dry-run=server")
        }
    }

    // MARK: Words

    /// What the words name; throws when they name nothing, or mix two ways of writing.
    func targets(_ words: some Collection<String>) throws(DeployError) -> [KubernetesStatement.Target] {
        let targets = KubernetesStatement.targets(words)
        guard !targets.isEmpty else {
            throw DeployError(
                .invalidArgument, "\(verb) needs a resource", hint: "TYPE NAME, TYPE/NAME or TYPE -l SELECTOR")
        }
        if words.first?.contains("/") == true, targets.count != words.count {
            throw DeployError(.invalidArgument, "write every object as TYPE/NAME, or TYPE once and then names")
        }
        for target in targets {
            guard let name = target.name else { continue }
            guard ResourcePath.isName(name) else {
                throw DeployError(.invalidArgument, "'\(name.prefix(64))' cannot be the name of an object")
            }
        }
        return targets
    }

    /// The one object the words name.
    func single(_ words: some Collection<String>) throws(DeployError) -> KubernetesStatement.Target {
        let targets = try self.targets(words)
        guard let target = targets.first, targets.count == 1, target.name != nil else {
            throw DeployError(.invalidArgument, "\(verb) needs one object", hint: "TYPE NAME or TYPE/NAME")
        }
        return target
    }
}
