// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// Which addresses tasks of type `api` may reach: public ones, and what the agent's settings open beside them.
///
/// A task names any host, and hosts' names lead wherever somebody's name server says. So every address that a name has is
/// judged, and then that address is connected to, without asking again.
struct AddressPolicy: Sendable {
    private let ranges: [AddressRange]
    private let names: Set<String>

    /// - Parameter allow: Ranges in CIDR notation, which open exactly these addresses, and names of hosts, which open
    ///   private and loopback addresses to requests by that name.
    /// - Throws: `invalid_argument` for what is neither.
    init(allow: [String] = []) throws(DeployError) {
        var ranges: [AddressRange] = []
        var names: Set<String> = []
        for entry in allow {
            if let name = Self.name(entry) { names.insert(name) } else { ranges.append(try AddressRange(entry)) }
        }
        self.ranges = ranges
        self.names = names
    }

    private static func name(_ text: String) -> String? {
        guard !text.contains("/"), let url = try? WebURL("https://\(text)/"), case .name(let name) = url.host,
            url.description == "https://\(name)/"
        else { return nil }
        return name
    }

    /// Throws `forbidden` when one of the addresses may not be reached: then none is.
    func check(_ addresses: [IPAddress], of host: WebURL.Host) throws(DeployError) {
        for address in addresses {
            guard let kind = refusal(of: address, host) else { continue }
            let subject =
                switch host {
                case .name(let name): "\(name) is at \(address), which is \(kind)"
                case .address: "\(address) is \(kind)"
                }
            throw DeployError(
                .forbidden, "this agent sends no requests there: \(subject)",
                hint: "executors.api.allow in agent.yaml opens addresses")
        }
    }

    /// What is wrong with an address; nil when it may be reached.
    private func refusal(of address: IPAddress, _ host: WebURL.Host) -> String? {
        guard let block = Self.block(of: address) else { return nil }
        if ranges.contains(where: { $0.contains(address) }) {
            // The IPv4 address inside is where it leads.
            return block.inner(address).flatMap { refusal(of: $0, host) }
        }
        if block.isOpenedByName, case .name(let name) = host, names.contains(name) { return nil }
        return block.kind
    }

    // MARK: Addresses that are not public

    /// A block of addresses that are refused unless the settings open them.
    struct Block: Sendable {
        let range: AddressRange
        let kind: String
        /// Whether naming the host in the settings is enough; never for what answers to everybody on a network.
        let isOpenedByName: Bool
        /// Where in the address an IPv4 address stands, for forms that carry one.
        let inside: Int?
        /// Whether the bits of that are flipped.
        let isFlipped: Bool

        fileprivate init?(
            _ address: String, _ bits: Int, _ kind: String, byName: Bool = false, inside: Int? = nil,
            isFlipped: Bool = false
        ) {
            guard let first = IPAddress(address) else { return nil }
            range = AddressRange(first, bits: bits)
            self.kind = kind
            isOpenedByName = byName
            self.inside = inside
            self.isFlipped = isFlipped
        }

        fileprivate func inner(_ address: IPAddress) -> IPAddress? {
            guard let inside else { return nil }
            return IPAddress(bytes: address.bytes[inside..<(inside + 4)].map { isFlipped ? ~$0 : $0 })
        }
    }

    private static func block(of address: IPAddress) -> Block? {
        if let found = blocks.first(where: { $0.range.contains(address) }) { return found }
        // All that is public in IPv6 begins with the bits 001.
        guard address.isIPv6, address.bytes[0] & 0xE0 != 0x20 else { return nil }
        return Block("\(address)", 128, "outside the public addresses of IPv6")
    }

    /// The first that holds an address counts: what is narrower stands before what is wider.
    static let blocks: [Block] = [
        Block("169.254.0.0", 16, "link-local, where clouds keep their metadata"),
        Block("100.100.100.200", 32, "a cloud's metadata service"),
        Block("168.63.129.16", 32, "a cloud's metadata service"),
        Block("192.0.0.0", 24, "reserved, and a cloud's metadata service"),
        Block("fd00:ec2::254", 128, "a cloud's metadata service"),
        Block("fd20:ce::254", 128, "a cloud's metadata service"),
        Block("127.0.0.0", 8, "loopback", byName: true),
        Block("10.0.0.0", 8, "private", byName: true),
        Block("172.16.0.0", 12, "private", byName: true),
        Block("192.168.0.0", 16, "private", byName: true),
        Block("100.64.0.0", 10, "shared by a provider's customers", byName: true),
        Block("198.18.0.0", 15, "reserved for measurements", byName: true),
        Block("0.0.0.0", 8, "this host"),
        Block("192.0.2.0", 24, "reserved for documents"),
        Block("198.51.100.0", 24, "reserved for documents"),
        Block("203.0.113.0", 24, "reserved for documents"),
        Block("192.88.99.0", 24, "a relay of 6to4"),
        Block("224.0.0.0", 4, "multicast"),
        Block("240.0.0.0", 4, "reserved"),
        Block("::1", 128, "loopback", byName: true),
        Block("::", 128, "this host"),
        Block("::ffff:0.0.0.0", 96, "an IPv4 address written as IPv6", inside: 12),
        Block("::ffff:0:0.0.0.0", 96, "an IPv4 address written as IPv6", inside: 12),
        Block("::", 96, "an IPv4 address written as IPv6", inside: 12),
        Block("64:ff9b::", 96, "an IPv4 address behind NAT64", inside: 12),
        Block("64:ff9b:1::", 48, "an IPv4 address behind NAT64", inside: 12),
        Block("2002::", 16, "an IPv4 address behind 6to4", inside: 2),
        Block("2001::", 32, "an IPv4 address behind Teredo", inside: 12, isFlipped: true),
        Block("fc00::", 7, "unique-local", byName: true),
        Block("fe80::", 10, "link-local"),
        Block("fec0::", 10, "site-local"),
        Block("ff00::", 8, "multicast"),
        Block("2001:db8::", 32, "reserved for documents"),
        Block("3fff::", 20, "reserved for documents"),
    ].compactMap(\.self)
}
