// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Glibc

/// Finds the addresses of a host's name.
struct HostResolver: Sendable {
    /// The addresses of a name in the order they should be tried, looked up now. May block its thread.
    let lookUp: @Sendable (String) throws(DeployError) -> [IPAddress]

    /// As this host's settings say: its hosts file, then its name servers.
    static let system = HostResolver { name throws(DeployError) in try ask(name) }

    /// The addresses of a host; one that is an address already has itself.
    ///
    /// Throws `unreachable` when there are none, or none are found within `limit`, and `canceled`.
    func addresses(of host: WebURL.Host, within limit: Duration) async throws(DeployError) -> [IPAddress] {
        switch host {
        case .address(let address): return [address]
        case .name(let name):
            let lookUp = lookUp
            let found = try await WorkThread.abandonable(within: limit) { () throws(DeployError) in try lookUp(name) }
            guard let found else {
                if Task.isCancelled { throw DeployError(.canceled) }
                throw DeployError(.unreachable, "the address of \(name) was not found within \(limit)")
            }
            return found
        }
    }

    private static func ask(_ name: String) throws(DeployError) -> [IPAddress] {
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var first: UnsafeMutablePointer<addrinfo>?
        let status = getaddrinfo(name, nil, &hints, &first)
        defer { if let first { freeaddrinfo(first) } }
        guard status == 0 else {
            let reason = gai_strerror(status).map { String(cString: $0) } ?? "error \(status)"
            throw DeployError(.unreachable, "the address of \(name) was not found: \(reason)")
        }
        var addresses: [IPAddress] = []
        var next = first
        while let entry = next, addresses.count < most {
            if let address = address(entry.pointee), !addresses.contains(address) { addresses.append(address) }
            next = entry.pointee.ai_next
        }
        guard next == nil else { throw DeployError(.unreachable, "\(name) has over \(most) addresses") }
        guard !addresses.isEmpty else { throw DeployError(.unreachable, "\(name) has no address") }
        return addresses
    }

    /// The most addresses of one name: each is judged.
    private static let most = 256

    private static func address(_ entry: addrinfo) -> IPAddress? {
        guard let pointer = entry.ai_addr else { return nil }
        switch entry.ai_family {
        case AF_INET:
            return pointer.withMemoryRebound(to: sockaddr_in.self, capacity: 1) { address in
                withUnsafeBytes(of: address.pointee.sin_addr) { IPAddress(bytes: Array($0)) }
            }
        case AF_INET6:
            return pointer.withMemoryRebound(to: sockaddr_in6.self, capacity: 1) { address in
                withUnsafeBytes(of: address.pointee.sin6_addr) { IPAddress(bytes: Array($0)) }
            }
        default: return nil
        }
    }
}
