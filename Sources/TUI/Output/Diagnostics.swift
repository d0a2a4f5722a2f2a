// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// How errors and notes look on standard error.
enum Diagnostics {
    /// `tiangong: WHAT` and, when known, `  try: HINT`; or one JSON object when results are JSON.
    static func text(_ error: DeployError, format: OutputFormat) -> String {
        if format != .table, let json = try? JSONPrinter.line(Wrapped(error: error)) { return json + "\n" }
        var text = "tiangong: \(Sanitizer.line(error.message))\n"
        if let hint = error.hint { text += "  try: \(Sanitizer.line(hint))\n" }
        return text
    }

    /// `tiangong: TEXT`.
    static func note(_ text: String) -> String { "tiangong: \(Sanitizer.line(text))\n" }

    private struct Wrapped: Encodable { var error: DeployError }
}
