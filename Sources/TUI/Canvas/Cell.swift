// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

/// One cell: a base character, at most two combining marks, and a style. A wide character fills two cells; the second
/// has width 0 and is never drawn by itself.
struct Cell: Equatable, Sendable {
    var base: Unicode.Scalar = " "
    var mark: Unicode.Scalar?
    var mark2: Unicode.Scalar?
    var width: UInt8 = 1
    var style = Style.plain

    static let blank = Cell()
}
