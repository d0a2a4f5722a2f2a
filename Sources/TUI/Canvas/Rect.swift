// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

/// Columns and rows of a screen.
struct Size: Hashable, Sendable {
    var columns: Int
    var rows: Int
}

/// A part of the screen, in cells from the top left corner.
struct Rect: Hashable, Sendable {
    var column: Int
    var row: Int
    var columns: Int
    var rows: Int

    init(_ column: Int, _ row: Int, _ columns: Int, _ rows: Int) {
        self.column = column
        self.row = row
        self.columns = max(0, columns)
        self.rows = max(0, rows)
    }

    /// A rectangle of the given size in the middle of this one, made smaller when it would not fit.
    func centred(columns: Int, rows: Int) -> Rect {
        let width = min(columns, self.columns)
        let height = min(rows, self.rows)
        return Rect(column + (self.columns - width) / 2, row + (self.rows - height) / 2, width, height)
    }
}
