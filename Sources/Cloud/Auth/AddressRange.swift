// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// A range of IPv4 or IPv6 addresses in CIDR notation; an address alone is a range of one.
struct AddressRange: Sendable, Equatable {
    private let network: [UInt8]
    private let prefix: Int

    /// Throws `invalid_argument` for anything but `ADDRESS` and `ADDRESS/BITS` with nothing set behind the bits.
    init(_ text: String) throws(DeployError) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard let first = parts.first, parts.count <= 2, let bytes = Self.bytes(String(first)) else {
            throw DeployError(
                .invalidArgument, "'\(text.prefix(64))' is not a range of addresses",
                hint: "write it like 10.0.0.0/8 or 2001:db8::/32")
        }
        let width = bytes.count * 8
        if parts.count == 2 {
            guard (1...3).contains(parts[1].utf8.count), parts[1].utf8.allSatisfy({ (48...57).contains($0) }),
                let bits = Int(parts[1]), bits <= width
            else { throw DeployError(.invalidArgument, "'\(text.prefix(64))' has not 0 to \(width) bits") }
            prefix = bits
        } else {
            prefix = width
        }
        network = Self.masked(bytes, prefix)
        guard network == bytes else {
            throw DeployError(.invalidArgument, "'\(text.prefix(64))' has bits set behind its prefix")
        }
    }

    /// Whether an address lies inside; false for what is no address. IPv4 inside IPv6 counts as IPv4.
    func contains(_ address: String) -> Bool {
        guard let bytes = Self.bytes(address), bytes.count == network.count else { return false }
        return Self.masked(bytes, prefix) == network
    }

    private static func masked(_ bytes: [UInt8], _ bits: Int) -> [UInt8] {
        bytes.enumerated().map { index, byte in
            let kept = min(8, max(0, bits - index * 8))
            return byte & ~UInt8(truncatingIfNeeded: 0xFF >> kept)
        }
    }

    /// The address's bytes in the order of the network; nil when it is none.
    private static func bytes(_ text: String) -> [UInt8]? {
        // A NUL would end the text before its end.
        guard text.utf8.allSatisfy({ (33...126).contains($0) }) else { return nil }
        var bytes = [UInt8](repeating: 0, count: 16)
        if inet_pton(AF_INET, text, &bytes) == 1 { return Array(bytes.prefix(4)) }
        guard inet_pton(AF_INET6, text, &bytes) == 1 else { return nil }
        let mapped: [UInt8] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF]
        return bytes.starts(with: mapped) ? Array(bytes.dropFirst(12)) : bytes
    }
}
