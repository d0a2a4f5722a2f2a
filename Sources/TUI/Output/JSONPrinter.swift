// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// Values as JSON text that is safe to show: what a terminal would act on is written as `\uXXXX`.
enum JSONPrinter {
    /// One line without its end, keys sorted. Throws `internal` when the value has no JSON form.
    static func line(_ value: some Encodable) throws(DeployError) -> String { try text(value, []) }

    /// Several lines without the last end, keys sorted, indented. Throws `internal` when the value has no JSON form.
    static func pretty(_ value: some Encodable) throws(DeployError) -> String { try text(value, [.prettyPrinted]) }

    private static func text(
        _ value: some Encodable, _ formatting: JSONEncoder.OutputFormatting
    ) throws(DeployError) -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = formatting.union([.sortedKeys, .withoutEscapingSlashes])
        do {
            return escaped(String(decoding: try encoder.encode(value), as: UTF8.self))
        } catch {
            throw DeployError(wrapping: error)
        }
    }

    /// JSON text made safe to show. JSON has such characters only inside strings, so escaping them changes no value.
    static func escaped(_ text: String) -> String {
        guard text.unicodeScalars.contains(where: needsEscape) else { return text }
        var output = ""
        for scalar in text.unicodeScalars {
            if needsEscape(scalar) {
                for unit in UTF16.encode(scalar).map(Array.init) ?? [] {
                    let digits = String(unit, radix: 16)
                    output += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
                }
            } else {
                output.unicodeScalars.append(scalar)
            }
        }
        return output
    }

    private static func needsEscape(_ scalar: Unicode.Scalar) -> Bool {
        guard scalar.value >= 0x7F else { return false }
        guard Sanitizer.isDrawable(scalar) else { return true }
        switch scalar.properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator, .privateUse, .surrogate, .unassigned: return true
        default: return false
        }
    }
}
