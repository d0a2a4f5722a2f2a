// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Crypto

/// The secret half of a bearer token. The database holds a salted hash only.
///
/// A token reads `tg_KIND_ID_SECRET`; the secret is 256 random bits, so one round of SHA-256 is enough.
struct Secret: Sendable, Equatable {
    let salt: String
    let hash: String

    init(salt: String, hash: String) {
        self.salt = salt
        self.hash = hash
    }

    /// A new secret: its text, shown once, and what is stored of it.
    static func make() -> (text: String, stored: Secret) {
        let text = random(32)
        let salt = random(16)
        return (text, Secret(salt: salt, hash: digest(salt: salt, text)))
    }

    /// Whether this is the text it was made with; takes the same time wherever they differ.
    func matches(_ text: String) -> Bool {
        let left = Array(Self.digest(salt: salt, text).utf8)
        let right = Array(hash.utf8)
        guard left.count == right.count else { return false }
        return zip(left, right).reduce(0) { $0 | ($1.0 ^ $1.1) } == 0
    }

    /// The parts of a token's text: its kind, id and secret; nil when it is none.
    static func parse<Kind>(_ text: String, id _: Identifier<Kind>.Type) -> (
        kind: String, id: Identifier<Kind>, secret: String
    )? {
        guard text.utf8.count <= 256 else { return nil }
        let parts = text.split(separator: "_", maxSplits: 3, omittingEmptySubsequences: false)
        guard parts.count == 4, parts[0] == "tg", let id = Identifier<Kind>(String(parts[2])) else { return nil }
        return (String(parts[1]), id, String(parts[3]))
    }

    private static func random(_ count: Int) -> String {
        var generator = SystemRandomNumberGenerator()
        return hex((0..<count).map { _ in UInt8.random(in: 0...255, using: &generator) })
    }

    private static func digest(salt: String, _ text: String) -> String {
        hex(Array(SHA256.hash(data: Array("\(salt):\(text)".utf8))))
    }

    private static func hex(_ bytes: [UInt8]) -> String {
        let digits = Array("0123456789abcdef".utf8)
        return String(decoding: bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
    }
}
