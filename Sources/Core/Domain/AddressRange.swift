// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

/// A range of IPv4 or IPv6 addresses in CIDR notation; an address alone is a range of one.
public struct AddressRange: Sendable, Hashable {
    private let network: [UInt8]
    private let prefix: Int

    /// Throws `invalid_argument` for anything but `ADDRESS` and `ADDRESS/BITS` with nothing set behind the bits.
    public init(_ text: String) throws(DeployError) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard let first = parts.first, parts.count <= 2, let bytes = IPAddress(String(first))?.unmapped.bytes else {
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

    /// A range of known bytes.
    public init(_ address: IPAddress, bits: Int) {
        prefix = min(max(bits, 0), address.bytes.count * 8)
        network = Self.masked(address.bytes, prefix)
    }

    /// Whether an address lies inside. IPv4 never lies in a range of IPv6, nor the other way round.
    public func contains(_ address: IPAddress) -> Bool {
        address.bytes.count == network.count && Self.masked(address.bytes, prefix) == network
    }

    /// Whether an address lies inside; false for what is no address. IPv4 inside IPv6 counts as IPv4.
    public func contains(_ address: String) -> Bool { IPAddress(address).map { contains($0.unmapped) } ?? false }

    private static func masked(_ bytes: [UInt8], _ bits: Int) -> [UInt8] {
        bytes.enumerated().map { index, byte in
            let kept = min(8, max(0, bits - index * 8))
            return byte & ~UInt8(truncatingIfNeeded: 0xFF >> kept)
        }
    }
}
