// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import NIOCore

/// One line of what a plugin says.
enum PluginMessage: Sendable, Equatable {
    /// Output of the task.
    case log(LogStream, ByteBuffer)
    /// A result with these columns begins.
    case columns([Column])
    /// A row, in the order of the columns.
    case row([JSONValue])
    /// A row by the names of the columns.
    case namedRow([String: JSONValue])
    /// How far it is.
    case progress(text: String?, done: Double?, total: Double?)
    /// It has ended well.
    case result([String: JSONValue])
    /// It has ended badly.
    case error(code: String, message: String)
    /// What its tasks take.
    case schema(JSONValue)

    /// A column of rows.
    struct Column: Sendable, Equatable {
        var name: String
        var kind: RowKind
    }

    /// The version of what is said.
    static let version: Int64 = 1
    /// The most bytes of a line.
    static let maximumLine = 1 << 20
    /// The most bytes of a result: it goes to the Cloud in one message.
    static let maximumResult = 262_144
    private static let maximumColumns = 1024

    /// Reads a line; throws `protocol_error` saying what is wrong with it.
    init(_ line: ByteBuffer) throws(DeployError) {
        let value: JSONValue
        do throws(DeployError) {
            value = try JSONValue(bytes: Array(line.readableBytesView))
        } catch {
            guard String(validating: line.readableBytesView, as: UTF8.self) != nil else {
                throw Self.bad("a line that is not UTF-8")
            }
            throw Self.bad("a line that is not JSON (\(error.message)): '\(Self.beginning(line))'")
        }
        guard let members = value.objectValue, let type = members["type"]?.stringValue else {
            throw Self.bad("a line that is not an object with a type: '\(Self.beginning(line))'")
        }
        switch type {
        case "log": self = try Self.log(members)
        case "columns": self = try Self.columns(members["columns"])
        case "row":
            if let values = members["values"]?.arrayValue {
                self = .row(values)
            } else if let row = members["row"]?.objectValue {
                self = .namedRow(row)
            } else {
                throw Self.bad("a row with neither values (an array) nor row (an object)")
            }
        case "progress":
            self = .progress(
                text: members["text"]?.stringValue.map { String($0.prefix(500)) }, done: members["done"]?.doubleValue,
                total: members["total"]?.doubleValue)
        case "result":
            guard let result = (members["result"] ?? .object([:])).objectValue else {
                throw Self.bad("a result that is not an object")
            }
            guard line.readableBytes <= Self.maximumResult else {
                throw Self.bad("a result over \(Self.maximumResult) bytes")
            }
            self = .result(result)
        case "error":
            let code = members["code"]?.stringValue ?? ErrorCode.internal.rawValue
            guard (1...64).contains(code.utf8.count), code.utf8.allSatisfy(Self.isCodeByte) else {
                throw Self.bad("an error with a code that is not 1 to 64 of a-z 0-9 _")
            }
            let message = members["message"]?.stringValue ?? ""
            self = .error(code: code, message: message.isEmpty ? "no reason given" : String(message.prefix(4000)))
        case "schema":
            guard members["protocol"]?.integerValue == Self.version else {
                throw Self.bad("a schema of another protocol than \(Self.version)")
            }
            self = .schema(members["schema"] ?? .null)
        default: throw Self.bad("a line of the unknown type '\(type.prefix(64))'")
        }
    }

    private static func log(_ members: [String: JSONValue]) throws(DeployError) -> PluginMessage {
        let stream: LogStream
        switch members["stream"]?.stringValue {
        case nil, "stdout": stream = .stdout
        case "stderr": stream = .stderr
        default: throw bad("a log for neither stdout nor stderr")
        }
        switch (members["text"]?.stringValue, members["base64"]?.stringValue) {
        case (let text?, nil): return .log(stream, ByteBuffer(string: text))
        case (nil, let encoded?):
            guard let bytes = Base64.decode(encoded) else { throw bad("a log that is not base64") }
            return .log(stream, ByteBuffer(bytes: bytes))
        default: throw bad("a log with neither text nor base64, or both")
        }
    }

    private static func columns(_ value: JSONValue?) throws(DeployError) -> PluginMessage {
        guard let items = value?.arrayValue, (1...maximumColumns).contains(items.count) else {
            throw bad("columns that are not an array of 1 to \(maximumColumns)")
        }
        var columns: [Column] = []
        for item in items {
            let name = item.stringValue ?? item.objectValue?["name"]?.stringValue
            let kind = item.objectValue?["kind"]?.stringValue ?? "text"
            guard let name, let kind = kinds[kind] else {
                throw bad("a column that is neither a name nor {\"name\": ..., \"kind\": ...}")
            }
            columns.append(Column(name: name, kind: kind))
        }
        return .columns(columns)
    }

    private static let kinds: [String: RowKind] = [
        "text": .text, "number": .number, "decimal": .decimal, "boolean": .boolean, "binary": .binary, "json": .json,
    ]

    private static func isCodeByte(_ byte: UInt8) -> Bool {
        (97...122).contains(byte) || (48...57).contains(byte) || byte == 95
    }

    private static func beginning(_ line: ByteBuffer) -> String {
        String(decoding: line.readableBytesView.prefix(80), as: UTF8.self)
    }

    private static func bad(_ what: String) -> DeployError { DeployError(.protocolError, what) }
}
