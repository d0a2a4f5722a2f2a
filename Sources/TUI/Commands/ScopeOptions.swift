// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Core

extension Role: ExpressibleByArgument {}

/// Which agents an operator or token reaches.
struct ScopeOptions: ParsableArguments {
    @Option(
        name: .shortAndLong,
        help: ArgumentHelp("Reaches agents of this environment; may be given several times.", valueName: "name"))
    var environment: [String] = []

    @Option(
        name: .shortAndLong,
        help: ArgumentHelp(
            "Reaches agents that were assigned this label; several must all match.", valueName: "key=value"))
    var label: [String] = []

    /// The scope; nil when nothing was said. Throws `invalid_argument` when an option is malformed.
    func scope() throws(DeployError) -> Scope? {
        if environment.isEmpty && label.isEmpty { return nil }
        let environments = try SelectorOptions.names(environment, what: "environment")
        return Scope(
            environments: environments.isEmpty ? nil : environments, labels: try SelectorOptions.labels(label))
    }
}

extension CommandSession {
    /// Asks for something that answers nothing, and says what was done.
    func act(_ request: OperatorRequest, note text: String) async throws(DeployError) -> Int32 {
        _ = try await withClient { client throws(DeployError) in
            try await client.request(request).data(as: NoParameters.self)
        }
        try await note(text)
        return 0
    }

    /// Prints a secret that was just made: the text alone, or id and text as JSON.
    func show(_ secret: SecretIssued, what: String) async throws(DeployError) {
        switch settings.format {
        case .json: try await print(try JSONPrinter.pretty(secret))
        case .jsonl: try await print(try JSONPrinter.line(secret))
        case .table:
            try await note("\(what) \(secret.id); its text is shown this once")
            try await print(Sanitizer.line(secret.token))
        }
    }
}
