// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import CMongo
import Core

/// Writes documents to a task's log as they arrive. In `jsonl` each is a line of extended JSON. For people they are a table
/// of their top-level fields where a line of it is not too long to be read, else indented JSON, one below the other.
struct MongoDocuments {
    private enum Shape {
        case undecided
        case table([String: Int])
        case text
    }

    private var rows: RowWriter
    private let isTable: Bool
    private let canonical: Bool
    private var shape = Shape.undecided
    private var held: [BSONDocument] = []
    private var heldBytes = 0

    /// Documents, and their bytes, by which the shape is decided.
    private static let sample = 100
    private static let sampleBytes = 262_144
    /// The longest line of a table, in columns of a terminal.
    private static let widest = 160

    /// - Parameters:
    ///   - rows: Where they go.
    ///   - isTable: Whether they are for people.
    ///   - canonical: Whether extended JSON keeps every type apart.
    init(_ rows: RowWriter, isTable: Bool, canonical: Bool) {
        self.rows = rows
        self.isTable = isTable
        self.canonical = canonical
    }

    /// Documents that were written.
    var shown: Int64 { rows.shown }

    /// Begins the documents of one result.
    mutating func begin() {
        rows.begin([])
        shape = isTable ? .undecided : .text
        held = []
        heldBytes = 0
    }

    /// Takes the next document; false when it is over the limit.
    mutating func add(_ document: OpaquePointer) -> Bool {
        switch shape {
        case .undecided:
            held.append(BSONDocument(copying: document))
            heldBytes += BSONDocument.length(of: document)
            if held.count >= Self.sample || heldBytes >= Self.sampleBytes { return decide() }
            return true
        case .table(let columns): return write(document, columns)
        case .text: return writeText(document)
        }
    }

    /// What came is all for now: shows it.
    mutating func settle() {
        if case .undecided = shape, !held.isEmpty { _ = decide() }
        rows.settle()
    }

    /// Ends the result.
    ///
    /// - Parameter more: Whether the server had more documents than were asked for.
    mutating func end(more: Bool) {
        var more = more
        if case .undecided = shape { more = !decide() || more }
        if more { rows.stop() }
        rows.end()
    }

    /// A reply that is no list of documents.
    mutating func reply(_ reply: BSONDocument) {
        let text = reply.without(Self.gossip).json(canonical: canonical)
        rows.document(isTable ? JSONLayout.text(text, .indented) : text)
        rows.flush()
    }

    /// A line for people between the results.
    mutating func remark(_ text: String) {
        rows.remark(text)
        rows.flush()
    }

    /// What servers tell drivers, not people.
    private static let gossip: Set<String> = ["$clusterTime", "operationTime"]

    // MARK: Shapes

    /// Chooses the shape and writes what was held; false when that is over the limit.
    private mutating func decide() -> Bool {
        defer { held = [] }
        let plan = Self.columns(of: held, canonical: canonical)
        if let plan {
            rows.begin(plan)
            shape = .table(Dictionary(uniqueKeysWithValues: plan.enumerated().map { ($0.element.name, $0.offset) }))
        } else {
            shape = .text
        }
        for document in held where !add(document.pointer) { return false }
        return true
    }

    /// The columns that documents need; nil when they would not fit.
    static func columns(of documents: [BSONDocument], canonical: Bool) -> [RowWriter.Column]? {
        var names: [String] = []
        var kinds: [RowKind?] = []
        var widths: [Int] = []
        var places: [String: Int] = [:]
        for document in documents {
            let fields = BSONFields(document.pointer)
            while fields.next() {
                let place = places[fields.name] ?? names.count
                if place == names.count {
                    places[fields.name] = place
                    names.append(fields.name)
                    kinds.append(nil)
                    widths.append(TextWidth.of(fields.name))
                }
                let (width, kind) = fields.cell(canonical: canonical) { bytes, kind -> (Int, RowKind?) in
                    guard let bytes else { return (4, nil) }
                    if kind == .binary { return (2 + 2 * bytes.count, kind) }
                    return (TextWidth.of(String(decoding: bytes.prefix(1024), as: UTF8.self)), kind)
                }
                widths[place] = max(widths[place], width)
                if let kind { kinds[place] = kinds[place] == nil || kinds[place] == kind ? kind : .text }
                guard widths.reduce(0, +) + 3 * (widths.count - 1) <= widest else { return nil }
            }
        }
        return zip(names, kinds).map { RowWriter.Column(name: $0, kind: $1 ?? .text) }
    }

    private mutating func write(_ document: OpaquePointer, _ columns: [String: Int]) -> Bool {
        guard rows.beginRow() else { return false }
        var cells = [Cell?](repeating: nil, count: columns.count)
        let others = BSONDocument()
        let fields = BSONFields(document)
        while fields.next() {
            if let place = columns[fields.name] {
                cells[place] = fields.cell(canonical: canonical) { Cell(bytes: $0.map { Array($0) }, kind: $1) }
            } else {
                bson_append_iter(others.pointer, nil, -1, fields.iterator)
            }
        }
        for cell in cells {
            // Missing is not null.
            guard let cell else {
                rows.field("", as: .text)
                continue
            }
            guard let bytes = cell.bytes else {
                rows.field(String?.none)
                continue
            }
            bytes.withUnsafeBytes { rows.field($0, as: cell.kind) }
        }
        if others.firstName != nil { rows.field(others.json(canonical: canonical), as: .json) }
        rows.endRow()
        return true
    }

    private struct Cell {
        var bytes: [UInt8]?
        var kind: RowKind
    }

    private mutating func writeText(_ document: OpaquePointer) -> Bool {
        guard isTable else {
            return BSONDocument.json(document, canonical: canonical) { rows.row(json: $0) }
        }
        var text = JSONLayout.text(
            BSONDocument.json(document, canonical: canonical) { String(decoding: $0, as: UTF8.self) }, .indented)
        return text.withUTF8 { rows.row(json: UnsafeRawBufferPointer($0)) }
    }
}
