// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

public import Configuration

/// Reads a program's settings by its own list of keys. A value of the wrong kind is an error that names the key, never
/// silently the default.
public struct Settings<Key: RawRepresentable> where Key.RawValue == String {
    private let reader: ConfigReader

    /// - Parameter reader: Where the values are; see ``ConfigurationStack``.
    public init(_ reader: ConfigReader) { self.reader = reader }

    /// A text; nil when it is not set or empty.
    public func text(_ key: Key) -> String? {
        if let text = reader.string(forKey: ConfigKey(key.rawValue)) { return text.isEmpty ? nil : text }
        if let number = reader.int(forKey: ConfigKey(key.rawValue)) { return String(number) }
        if let number = reader.double(forKey: ConfigKey(key.rawValue)) { return String(number) }
        return reader.bool(forKey: ConfigKey(key.rawValue)).map { $0 ? "true" : "false" }
    }

    /// An absolute path.
    public func path(_ key: Key) throws(DeployError) -> String? {
        guard let text = text(key) else { return nil }
        guard text.hasPrefix("/") else {
            throw DeployError(.invalidArgument, "\(key.rawValue) '\(text)' is not an absolute path")
        }
        return text
    }

    /// A whole number within a range.
    public func number(_ key: Key, in range: ClosedRange<Int>) throws(DeployError) -> Int? {
        guard let text = text(key) else { return nil }
        guard let value = Int(text), range.contains(value) else {
            throw DeployError(
                .invalidArgument,
                "\(key.rawValue) '\(text)' is not a number from \(range.lowerBound) to \(range.upperBound)")
        }
        return value
    }

    /// A span of time in seconds, such as `90d`, within a range.
    public func seconds(_ key: Key, in range: ClosedRange<Double>) throws(DeployError) -> Double? {
        guard let text = text(key) else { return nil }
        guard let value = try? TimeSpan.seconds(text), range.contains(value) else {
            throw DeployError(
                .invalidArgument,
                "\(key.rawValue) '\(text)' is not a duration from \(Self.span(range.lowerBound)) to "
                    + Self.span(range.upperBound))
        }
        return value
    }

    /// A size in bytes, such as `64MiB`, within a range.
    public func bytes(_ key: Key, in range: ClosedRange<Int64>) throws(DeployError) -> Int64? {
        guard let text = text(key) else { return nil }
        guard let value = try? ByteSize.bytes(text) else {
            throw DeployError(.invalidArgument, "\(key.rawValue) '\(text)' is not a size such as 64MiB")
        }
        guard range.contains(value) else {
            throw DeployError(
                .invalidArgument,
                "\(key.rawValue) '\(text)' is not from \(range.lowerBound) to \(range.upperBound) bytes")
        }
        return value
    }

    /// `true` or `false`.
    public func flag(_ key: Key) throws(DeployError) -> Bool? {
        guard let text = text(key) else { return nil }
        guard let value = Bool(text) else {
            throw DeployError(.invalidArgument, "\(key.rawValue) '\(text)' is not true or false")
        }
        return value
    }

    /// One of the words of an enumeration.
    public func word<Word: RawRepresentable & CaseIterable>(
        _ key: Key, _ type: Word.Type
    ) throws(DeployError) -> Word? where Word.RawValue == String {
        guard let text = text(key) else { return nil }
        guard let value = Word(rawValue: text) else {
            let words = Word.allCases.map(\.rawValue).joined(separator: ", ")
            throw DeployError(.invalidArgument, "\(key.rawValue) '\(text)' is not one of \(words)")
        }
        return value
    }

    /// A list; in the environment and on the command line separated by commas. Nil when it is not set.
    public func list(_ key: Key) -> [String]? {
        if let items = reader.stringArray(forKey: ConfigKey(key.rawValue)) { return items.filter { !$0.isEmpty } }
        return text(key)?.split(separator: ",").map(String.init)
    }

    private static func span(_ seconds: Double) -> String {
        for (factor, suffix) in [(86_400.0, "d"), (3600, "h"), (60, "m")] where seconds >= factor {
            let count = seconds / factor
            if count == count.rounded() { return "\(Int(count))\(suffix)" }
        }
        return seconds == seconds.rounded() ? "\(Int(seconds))s" : "\(seconds)s"
    }
}
