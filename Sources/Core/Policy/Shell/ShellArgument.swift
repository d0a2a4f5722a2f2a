// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

/// A byte of an argument, or what stands where the bytes are not known.
enum ShellPiece: Sendable, Hashable {
    /// A byte that means itself.
    case byte(UInt8)
    /// A byte of a pattern for file names.
    case glob(UInt8)
    /// The home directory: `~` or `$HOME`.
    case home
    /// An expansion.
    indirect case unknown(ShellUnknown)
}

/// A value that only the running shell knows.
struct ShellUnknown: Sendable, Hashable {
    /// The variable; empty for a substitution.
    var name: String
    /// Whether it may be nothing at all: `${X:?}` may not.
    var mayBeEmpty: Bool
    /// Whether it may become several words.
    var splits: Bool
    /// What it is when the variable is empty, as in `${X:-…}`.
    var fallback: [ShellPiece]?
}

/// One argument after expansion, as far as it can be known.
struct ShellArgument: Sendable, Hashable {
    var pieces: [ShellPiece]
    /// As it is shown: values without quotes, expansions as written.
    var text: String
    var position: Int?
    /// Whether it holds an expansion, of which the home directory is one.
    var isDynamic: Bool
    /// Whether it may stand for file names: a pattern, a list in braces.
    var isPattern: Bool

    init(pieces: [ShellPiece], position: Int?, isPattern: Bool = false) {
        self.pieces = pieces
        self.position = position
        var bytes: [UInt8] = []
        bytes.reserveCapacity(pieces.count)
        var isDynamic = false
        var hasGlob = false
        for piece in pieces {
            switch piece {
            case .byte(let byte): bytes.append(byte)
            case .glob(let byte):
                bytes.append(byte)
                hasGlob = true
            case .home:
                bytes.append(UInt8(ascii: "~"))
                isDynamic = true
            case .unknown(let unknown):
                bytes += Array((unknown.name.isEmpty ? "$(...)" : "$" + unknown.name).utf8)
                isDynamic = true
            }
        }
        text = String(decoding: bytes, as: UTF8.self)
        self.isDynamic = isDynamic
        self.isPattern = isPattern || hasGlob
    }

    /// An argument whose text is known.
    init(_ text: String, position: Int? = nil) {
        pieces = text.utf8.map { .byte($0) }
        self.text = text
        self.position = position
        isDynamic = false
        isPattern = false
    }

    /// The value, when all of it is known and it stands for itself.
    var literal: String? { isDynamic || isPattern ? nil : text }

    /// Whether nothing is known of it, not even a byte.
    var isBare: Bool {
        !pieces.isEmpty && pieces.allSatisfy { if case .unknown = $0 { true } else { false } }
    }

    /// What is left after the first bytes.
    func dropping(_ count: Int) -> ShellArgument {
        ShellArgument(pieces: Array(pieces.dropFirst(count)), position: position)
    }

    /// The known bytes, each expansion as if it were empty.
    var knownText: String {
        String(
            decoding: pieces.compactMap {
                switch $0 {
                case .byte(let byte), .glob(let byte): byte
                case .home, .unknown: nil
                }
            }, as: UTF8.self)
    }
}
