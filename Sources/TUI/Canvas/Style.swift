// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

/// The eight colours every terminal has, on its own background. There are no background colours: reverse serves.
enum Colour: UInt8, CaseIterable, Sendable {
    case plain, red, green, yellow, blue, magenta, cyan, white
}

/// How a cell looks. Colour never carries meaning alone: every state also has a glyph and a word.
struct Style: Hashable, Sendable {
    struct Attributes: OptionSet, Hashable, Sendable {
        let rawValue: UInt8
        static let bold = Attributes(rawValue: 1)
        static let dim = Attributes(rawValue: 2)
        static let reverse = Attributes(rawValue: 4)
        static let underline = Attributes(rawValue: 8)
    }

    var colour: Colour = .plain
    var attributes: Attributes = []

    init(_ colour: Colour = .plain, _ attributes: Attributes = []) {
        self.colour = colour
        self.attributes = attributes
    }

    /// The same look, reversed: a selected row keeps its colours.
    var selected: Style { Style(colour, attributes.symmetricDifference(.reverse)) }

    // Roles. Screens use these names and never colours.
    static let plain = Style()
    static let header = Style(.plain, .reverse)
    static let title = Style(.plain, .bold)
    static let dim = Style(.plain, .dim)
    static let column = Style(.plain, .underline)
    static let key = Style(.cyan, .bold)
    static let good = Style(.green)
    static let busy = Style(.cyan)
    static let warning = Style(.yellow)
    static let bad = Style(.red, .bold)
    static let offline = Style(.red, [.bold, .reverse])
    static let field = Style(.plain, .underline)
    static let match = Style(.yellow, .reverse)
    static let notice = Style(.yellow, .dim)
}
