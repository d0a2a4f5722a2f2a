// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// The target of a request, taken apart without repairing anything.
struct RequestTarget: Sendable {
    /// Everything before the `?`, as it came.
    let path: String
    /// The pieces between the slashes, still encoded.
    let pieces: [Substring]
    /// What follows the `?`; nil without one.
    let query: String?

    /// Throws `invalid_argument` for anything but an absolute path of printable ASCII.
    init(_ target: String?) throws(DeployError) {
        guard let target, target.hasPrefix("/"),
            target.utf8.allSatisfy({ (0x21...0x7E).contains($0) && $0 != UInt8(ascii: "#") })
        else { throw DeployError(.invalidArgument, "the target of the request is not a path") }
        let parts = target.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        path = String(parts[0])
        pieces = parts[0].dropFirst().split(separator: "/", omittingEmptySubsequences: false)
        query = parts.count == 2 ? String(parts[1]) : nil
    }

    /// The parameters of the query; throws `invalid_argument` when one is malformed or comes twice.
    func parameters() throws(DeployError) -> [String: String] {
        var parameters: [String: String] = [:]
        guard let query, !query.isEmpty else { return parameters }
        for pair in query.split(separator: "&", omittingEmptySubsequences: false) {
            let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard parts.count == 2, let name = Self.decode(parts[0], plusIsBlank: true),
                let value = Self.decode(parts[1], plusIsBlank: true), !name.isEmpty
            else { throw DeployError(.invalidArgument, "the query is not name=value of UTF-8, separated by &") }
            guard parameters.updateValue(value, forKey: name) == nil else {
                throw DeployError(.invalidArgument, "the parameter '\(name.prefix(64))' is given twice")
            }
        }
        return parameters
    }

    /// Throws `invalid_argument` when the query carries what looks like a credential: URLs end up in logs and histories.
    func refuseSecrets() throws(DeployError) {
        guard let query else { return }
        for pair in query.split(separator: "&") {
            let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            let name = Self.decode(parts[0], plusIsBlank: true) ?? ""
            let value = parts.count == 2 ? Self.decode(parts[1], plusIsBlank: true) ?? "" : ""
            if Self.credentials.contains(name.lowercased()) || value.hasPrefix("tg_") {
                throw DeployError(
                    .invalidArgument, "tokens are not taken from the URL", hint: "send Authorization: Bearer TOKEN")
            }
        }
    }

    private static let credentials: Set<String> = [
        "access_token", "api_key", "apikey", "auth", "authorization", "bearer", "jwt", "key", "password", "secret",
        "token",
    ]

    /// Undoes percent-encoding; nil for a broken escape, NUL, or what is not UTF-8.
    static func decode(_ text: Substring, plusIsBlank: Bool) -> String? {
        var bytes: [UInt8] = []
        var rest = text.utf8.makeIterator()
        while let byte = rest.next() {
            switch byte {
            case UInt8(ascii: "%"):
                guard let high = rest.next().flatMap(digit), let low = rest.next().flatMap(digit), high | low != 0
                else { return nil }
                bytes.append(high << 4 | low)
            case UInt8(ascii: "+") where plusIsBlank: bytes.append(UInt8(ascii: " "))
            default: bytes.append(byte)
            }
        }
        return String(validating: bytes, as: UTF8.self)
    }

    private static func digit(_ byte: UInt8) -> UInt8? {
        Character(UnicodeScalar(byte)).hexDigitValue.map { UInt8($0) }
    }
}
