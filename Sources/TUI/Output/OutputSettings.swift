// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Core

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// How results are written.
enum OutputFormat: String, Sendable, CaseIterable, ExpressibleByArgument {
    /// Aligned columns, for people.
    case table
    /// One JSON value.
    case json
    /// One JSON value a line.
    case jsonl
}

/// When to colour.
enum ColorMode: String, Sendable, CaseIterable, ExpressibleByArgument {
    /// On a terminal that can.
    case auto
    /// Always.
    case always
    /// Never.
    case never
}

/// What flags, environment and terminal make of the output.
struct OutputSettings: Sendable, Equatable {
    /// How results are written.
    var format: OutputFormat
    /// Whether standard output gets colour.
    var color: Bool
    /// Results only, no notes.
    var quiet: Bool
    /// Whether standard output is a terminal.
    var outputIsTerminal: Bool
    /// Whether standard error is a terminal.
    var errorIsTerminal: Bool

    /// Works the settings out.
    ///
    /// - Throws: `invalid_argument` when TIANGONG_OUTPUT or TIANGONG_COLOR has no known value.
    init(
        format: OutputFormat?, color: ColorMode?, quiet: Bool, environment: [String: String],
        outputIsTerminal: Bool = isatty(1) == 1, errorIsTerminal: Bool = isatty(2) == 1
    ) throws(DeployError) {
        let formatVariable: OutputFormat? = try Self.value("TIANGONG_OUTPUT", environment)
        let colorVariable: ColorMode? = try Self.value("TIANGONG_COLOR", environment)
        self.format = format ?? formatVariable ?? .table
        self.quiet = quiet
        self.outputIsTerminal = outputIsTerminal
        self.errorIsTerminal = errorIsTerminal
        switch color ?? colorVariable ?? .auto {
        case .always: self.color = true
        case .never: self.color = false
        case .auto:
            let term = environment["TERM"] ?? ""
            self.color = outputIsTerminal && (environment["NO_COLOR"] ?? "").isEmpty && !term.isEmpty && term != "dumb"
        }
    }

    private static func value<Choice: RawRepresentable & CaseIterable>(
        _ name: String, _ environment: [String: String]
    ) throws(DeployError) -> Choice? where Choice.RawValue == String {
        guard let text = environment[name], !text.isEmpty else { return nil }
        guard let choice = Choice(rawValue: text) else {
            let known = Choice.allCases.map(\.rawValue).joined(separator: ", ")
            throw DeployError(.invalidArgument, "\(name) is '\(text)'", hint: "use one of: \(known)")
        }
        return choice
    }
}
