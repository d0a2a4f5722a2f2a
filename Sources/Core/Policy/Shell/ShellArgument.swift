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
    /// Its pieces, unless they are the bytes of ``text``, which mean themselves: nearly all arguments are no more.
    private let special: [ShellPiece]?
    /// As it is shown: values without quotes, expansions as written.
    let text: String
    var position: Int?
    /// Whether it holds an expansion, of which the home directory is one.
    let isDynamic: Bool
    /// Whether it may stand for file names: a pattern, a list in braces.
    let isPattern: Bool

    init(pieces: [ShellPiece], position: Int?, isPattern: Bool = false) {
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
        special = !isDynamic && !hasGlob && Self.isExact(text, bytes) ? nil : pieces
        self.position = position
        self.isDynamic = isDynamic
        self.isPattern = isPattern || hasGlob
    }

    /// An argument whose bytes are known and mean themselves.
    init(bytes: some Collection<UInt8>, position: Int?) {
        text = String(decoding: bytes, as: UTF8.self)
        special = Self.isExact(text, bytes) ? nil : bytes.map { .byte($0) }
        self.position = position
        isDynamic = false
        isPattern = false
    }

    /// An argument whose text is known.
    init(_ text: String, position: Int? = nil) {
        special = nil
        self.text = text
        self.position = position
        isDynamic = false
        isPattern = false
    }

    /// Whether nothing had to be repaired to make a text of the bytes.
    private static func isExact(_ text: String, _ bytes: some Collection<UInt8>) -> Bool {
        bytes.allSatisfy { $0 < 0x80 } || text.utf8.elementsEqual(bytes)
    }

    /// What it is made of.
    var pieces: [ShellPiece] { special ?? text.utf8.map { .byte($0) } }

    /// Whether its pieces are the bytes of ``text``, which mean themselves.
    var isPlain: Bool { special == nil }

    /// The value, when all of it is known and it stands for itself.
    var literal: String? { isDynamic || isPattern ? nil : text }

    /// Whether nothing is known of it, not even a byte.
    var isBare: Bool {
        guard let special, !special.isEmpty else { return false }
        return special.allSatisfy { if case .unknown = $0 { true } else { false } }
    }

    /// What is left after the first bytes.
    func dropping(_ count: Int) -> ShellArgument {
        guard let special else { return ShellArgument(bytes: text.utf8.dropFirst(count), position: position) }
        return ShellArgument(pieces: Array(special.dropFirst(count)), position: position)
    }

    /// The known bytes, each expansion as if it were empty.
    var knownText: String {
        guard let special else { return text }
        return String(
            decoding: special.compactMap {
                switch $0 {
                case .byte(let byte), .glob(let byte): byte
                case .home, .unknown: nil
                }
            }, as: UTF8.self)
    }
}
