// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

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
        let found: [SocketAddressBytes]
        do throws(NameService.Failure) {
            found = try NameService.addresses(of: name)
        } catch {
            throw DeployError(.unreachable, "the address of \(name) was not found: \(error.reason)")
        }
        var addresses: [IPAddress] = []
        for address in found.lazy.compactMap(\.address) where !addresses.contains(address) {
            guard addresses.count < most else { throw DeployError(.unreachable, "\(name) has over \(most) addresses") }
            addresses.append(address)
        }
        guard !addresses.isEmpty else { throw DeployError(.unreachable, "\(name) has no address") }
        return addresses
    }

    /// The most addresses of one name: each is judged.
    private static let most = 256
}
