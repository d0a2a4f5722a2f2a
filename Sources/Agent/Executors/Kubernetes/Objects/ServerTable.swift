// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// Objects as the cluster itself lays them out in columns.
struct ServerTable: Sendable {
    struct Column: Sendable, Equatable {
        var name: String
        var isNumber: Bool
        /// 0 for what is always shown, more for `-o wide`.
        var priority: Int64
    }

    struct Row: Sendable {
        var cells: [JSONNode]
        /// The object's metadata.
        var object: KubernetesObject
    }

    let columns: [Column]
    let rows: [Row]

    /// What to ask for so that a server answers with one.
    static let accept =
        "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json"

    /// - Parameter node: A table, or what a server sends that makes none: an object or a list.
    init(_ node: JSONNode) {
        guard node["kind"]?.text == "Table" else {
            columns = [
                Column(name: "Name", isNumber: false, priority: 0),
                Column(name: "Created At", isNumber: false, priority: 0),
            ]
            rows = node.listItems.map { item in
                let object = KubernetesObject(item)
                return Row(cells: [.string(object.name), .string(object.createdAt)], object: object)
            }
            return
        }
        columns = (node["columnDefinitions"]?.elements ?? []).map { column in
            Column(
                name: column["name"]?.text ?? "",
                isNumber: ["integer", "number"].contains(column["type"]?.text ?? ""),
                priority: column["priority"]?.integer ?? 0)
        }
        rows = (node["rows"]?.elements ?? []).map { row in
            Row(cells: row["cells"]?.elements ?? [], object: KubernetesObject(row["object"] ?? .null))
        }
    }
}

/// Writes tables of one resource, page after page.
struct TableWriter {
    /// What is shown beside the server's own columns.
    struct Options: Sendable {
        var isWide = false
        var showsNamespace = false
        var showsLabels = false
        var hasHeaders = true
        /// What stands before each name, such as `pod/`.
        var prefix = ""
    }

    private let options: Options
    private var rows: RowWriter
    private var columns: [ServerTable.Column] = []
    private(set) var count = 0

    init(_ output: LogOutput, _ options: Options) {
        self.options = options
        rows = RowWriter(output, format: .table, limit: .max, hasHeaders: options.hasHeaders)
    }

    /// Writes the rows of a page; the first tells the columns.
    mutating func write(_ table: ServerTable, mark: String? = nil) {
        if columns.isEmpty, !table.columns.isEmpty {
            columns = table.columns
            var shown: [RowWriter.Column] = options.showsNamespace ? [.init(name: "NAMESPACE", kind: .text)] : []
            for column in columns where options.isWide || column.priority == 0 {
                shown.append(.init(name: column.name.uppercased(), kind: column.isNumber ? .number : .text))
            }
            if options.showsLabels { shown.append(.init(name: "LABELS", kind: .text)) }
            rows.begin(shown)
        }
        for row in table.rows {
            count += 1
            guard rows.beginRow() else { continue }
            write(row, mark)
            rows.endRow()
        }
    }

    private mutating func write(_ row: ServerTable.Row, _ mark: String?) {
        if options.showsNamespace { rows.field(row.object.namespace ?? "") }
        for (index, column) in columns.enumerated() where options.isWide || column.priority == 0 {
            var text = index < row.cells.count ? Self.text(row.cells[index]) : ""
            if index == 0 { text = options.prefix + text + (mark ?? "") }
            rows.field(text)
        }
        if options.showsLabels {
            let labels = row.object.metadata["labels"]?.members ?? []
            rows.field(
                labels.isEmpty
                    ? "<none>"
                    : labels.map { "\($0.name)=\($0.value.text ?? "")" }.sorted().joined(separator: ","))
        }
    }

    private static func text(_ cell: JSONNode) -> String {
        switch cell {
        case .string(let text): text
        case .null: "<none>"
        default: cell.compact
        }
    }

    /// Writes what is held back for the widths of columns; more rows may follow.
    mutating func settle() { if count > 0 { rows.end() } }

    /// Writes what was gathered.
    mutating func flush() { rows.flush() }
}
