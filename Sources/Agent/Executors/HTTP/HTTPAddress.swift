// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// The address of a server in the settings: a scheme, a host, perhaps a port and a path, and nothing else.
struct HTTPAddress: Sendable, Hashable {
    /// The address, without a slash at its end.
    let text: String
    /// Whether it is spoken to over TLS.
    let isSecure: Bool

    /// Nil for what is no such address, or carries an account, a query or a fragment.
    init?(_ text: String) {
        guard text.utf8.allSatisfy({ (33...126).contains($0) }), let parts = URLComponents(string: text),
            let scheme = parts.scheme?.lowercased(), scheme == "http" || scheme == "https",
            let host = parts.host, !host.isEmpty, parts.user == nil, parts.password == nil, parts.query == nil,
            parts.fragment == nil, parts.port.map({ (1...65_535).contains($0) }) ?? true
        else { return nil }
        var address = text
        while address.hasSuffix("/") { address.removeLast() }
        self.text = address
        isSecure = scheme == "https"
    }

    /// A query, encoded, to be put behind a path that may have one already.
    static func query(_ items: [(name: String, value: String)], after path: String) -> String {
        var text = ""
        for (name, value) in items {
            text += text.isEmpty && !path.contains("?") ? "?" : "&"
            text += "\(encoded(name))=\(encoded(value))"
        }
        return text
    }

    /// A text with everything but letters, digits and `-._~` in percent encoding.
    static func encoded(_ text: String) -> String {
        let digits = Array("0123456789ABCDEF".utf8)
        var result: [UInt8] = []
        for byte in text.utf8 {
            switch byte {
            case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x2E, 0x5F, 0x7E: result.append(byte)
            default: result += [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
            }
        }
        return String(decoding: result, as: UTF8.self)
    }
}
