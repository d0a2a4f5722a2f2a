// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

/// One key as the operator pressed it. Control keys are named by their letter.
enum Key: Hashable, Sendable {
    case character(Unicode.Scalar)
    case control(Character)
    case enter, tab, backTab, escape, backspace, delete
    case up, down, left, right, home, end, pageUp, pageDown
    case function(Int)

    /// What the help and the hint line call it: `j`, `C-r`, `Space`, `Enter`.
    var name: String {
        switch self {
        case .character(" "): "Space"
        case .character(let scalar): String(Character(scalar))
        case .control(let letter): "C-\(letter)"
        case .enter: "Enter"
        case .tab: "Tab"
        case .backTab: "S-Tab"
        case .escape: "Esc"
        case .backspace: "BS"
        case .delete: "Del"
        case .up: "Up"
        case .down: "Down"
        case .left: "Left"
        case .right: "Right"
        case .home: "Home"
        case .end: "End"
        case .pageUp: "PgUp"
        case .pageDown: "PgDn"
        case .function(let number): "F\(number)"
        }
    }

    private static let named: [String: Key] = {
        var all: [Key] = [
            .character(" "), .enter, .tab, .backTab, .escape, .backspace, .delete, .up, .down, .left, .right, .home,
            .end,
            .pageUp, .pageDown,
        ]
        all += (1...12).map { .function($0) }
        return Dictionary(uniqueKeysWithValues: all.map { ($0.name, $0) })
    }()

    /// The key a name stands for; nil when there is no such key.
    init?(named text: String) {
        if let key = Self.named[text] {
            self = key
        } else if text.unicodeScalars.count == 1, let scalar = text.unicodeScalars.first {
            self = .character(scalar)
        } else if text.count == 3, text.hasPrefix("C-"), let letter = text.last {
            self = .control(letter)
        } else {
            return nil
        }
    }

    /// A sequence such as `g a`; nil when one of the names is unknown.
    static func sequence(_ text: String) -> [Key]? {
        var keys: [Key] = []
        for part in text.split(separator: " ") {
            guard let key = Key(named: String(part)) else { return nil }
            keys.append(key)
        }
        return keys.isEmpty ? nil : keys
    }
}

/// What a terminal reports.
enum TerminalEvent: Equatable, Sendable {
    case key(Key)
    /// Pasted text: always literal, never keys.
    case paste(String)
    case resized
    /// The terminal is gone.
    case hangup
}
