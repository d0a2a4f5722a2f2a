// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import NIOCore

/// Writes the results of a task's statements to its log, on a thread that may wait for it.
struct PostgresRows: PostgresSink {
    private var writer: RowWriter
    private let output: LogOutput
    private let session: PostgresSession
    private let isJSON: Bool
    private var types: [PostgresType] = []
    private var copies = ByteBuffer()
    private var hasWritten = false

    /// How many bytes of a COPY are gathered before they go to the log.
    private static let chunk = 65_536

    init(_ writer: RowWriter, _ output: LogOutput, _ session: PostgresSession, isJSON: Bool) {
        self.writer = writer
        self.output = output
        self.session = session
        self.isJSON = isJSON
    }

    mutating func begin(_ columns: [PostgresColumn]) {
        if hasWritten { writer.remark("") }
        hasWritten = true
        types = columns.map { session.type($0.type) }
        writer.begin(
            zip(columns, types).map { column, type in
                switch type {
                case .scalar(let kind): .init(name: column.name, kind: kind)
                case .array: .init(name: column.name, kind: isJSON ? .json : .text)
                }
            })
    }

    mutating func row(_ row: PostgresRow) {
        guard writer.beginRow() else { return }
        for index in 0..<types.count {
            guard let value = row[index] else {
                writer.field(UnsafeRawBufferPointer?.none)
                continue
            }
            switch types[index] {
            case .scalar(.boolean): writer.field(value.first == UInt8(ascii: "t") ? "true" : "false")
            case .scalar(.binary): binary(value)
            case .array(let kind, let delimiter) where isJSON: array(value, kind, delimiter)
            case .scalar, .array: writer.field(value)
            }
        }
        writer.endRow()
    }

    private mutating func binary(_ value: UnsafeRawBufferPointer) {
        guard let bytes = PostgresBytes.decode(value) else { return writer.field(value) }
        bytes.withUnsafeBytes { writer.field($0) }
    }

    private mutating func array(_ value: UnsafeRawBufferPointer, _ kind: RowKind, _ delimiter: UInt8) {
        guard let json = PostgresArray.json(value, of: kind, delimiter: delimiter) else {
            return writer.field(value, as: .text)
        }
        json.withUnsafeReadableBytes { writer.field($0) }
    }

    mutating func copied(_ bytes: UnsafeRawBufferPointer) {
        copies.writeBytes(bytes)
        if copies.readableBytes >= Self.chunk { flushCopies() }
    }

    private mutating func flushCopies() {
        guard copies.readableBytes > 0 else { return }
        hasWritten = true
        output.write(copies)
        copies = ByteBuffer()
    }

    /// A statement has ended: all of its output is passed on.
    mutating func end(_ completion: PostgresCompletion?) {
        if !types.isEmpty { writer.end() }
        types = []
        flushCopies()
        if let completion, !completion.hasRows, completion.command != "COPY" {
            if hasWritten { writer.remark("") }
            writer.remark(completion.tag)
            hasWritten = true
        }
        writer.flush()
    }
}
