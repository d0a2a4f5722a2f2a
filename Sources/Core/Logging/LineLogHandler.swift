// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

public import Logging

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// One line per event on standard error: time, level, message, `key=value` pairs. Line breaks in values are escaped.
public struct LineLogHandler: LogHandler {
    /// Values added to every line.
    public var metadata: Logger.Metadata = [:]
    /// The least severe level written.
    public var logLevel: Logger.Level

    /// - Parameter level: The least severe level written.
    public init(level: Logger.Level) { logLevel = level }

    /// Sets up the process's logging once.
    ///
    /// - Parameters:
    ///   - program: The label of the logger.
    ///   - level: `trace`, `debug`, `info`, `notice`, `warning`, `error` or `critical`.
    /// - Throws: `invalid_argument` for any other level.
    public static func logger(program: String, level: String) throws(DeployError) -> Logger {
        guard let level = Logger.Level(rawValue: level) else {
            let known = Logger.Level.allCases.map(\.rawValue).joined(separator: ", ")
            throw DeployError(.invalidArgument, "log level '\(level)' is not known", hint: "use one of: \(known)")
        }
        return Logger(label: program) { _ in LineLogHandler(level: level) }
    }

    /// One metadata value.
    public subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    /// Writes one event.
    public func log(event: LogEvent) {
        let all = metadata.merging(event.metadata ?? [:]) { $1 }.sorted { $0.key < $1.key }
        var line = "\(Timestamp.now()) \(event.level.rawValue.uppercased()) \(event.message)"
        for (key, value) in all { line += " \(key)=\(Self.quoted("\(value)"))" }
        line = String(line.prefix(8192)).replacing("\n", with: "\\n") + "\n"
        StandardError.write(line)
    }

    private static func quoted(_ text: String) -> String {
        guard text.isEmpty || text.utf8.contains(where: { $0 <= 32 || $0 == 34 || $0 == 127 }) else { return text }
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            default: result += scalar.value < 32 || scalar.value == 127 ? "?" : String(scalar)
            }
        }
        return result + "\""
    }
}
