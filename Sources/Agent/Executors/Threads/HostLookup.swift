// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Glibc

/// Finds the addresses of a host for C libraries that would block until they know them, and could not be stopped meanwhile.
enum HostLookup {
    /// The addresses of a host in the order to be tried; an address is its own.
    ///
    /// Throws `unreachable` when the name is not known or the time is over, and `canceled`.
    static func addresses(of host: String, within limit: Duration) async throws(DeployError) -> [String] {
        if isAddress(host) { return [host] }
        // The system's resolver cannot be interrupted: its thread ends when it does, but nobody waits for it.
        let found = try await WorkThread.abandonable(within: limit) { () throws(DeployError) in try resolve(host) }
        if let found { return found }
        if Task.isCancelled { throw DeployError(.canceled, "canceled on request") }
        throw DeployError(.unreachable, "the name '\(host)' was not resolved in time")
    }

    private static func isAddress(_ text: String) -> Bool {
        var bytes = in6_addr()
        return inet_pton(AF_INET, text, &bytes) == 1 || inet_pton(AF_INET6, text, &bytes) == 1
    }

    private static func resolve(_ host: String) throws(DeployError) -> [String] {
        let found: [SocketAddressBytes]
        do throws(NameService.Failure) {
            found = try NameService.addresses(of: host, usableOnly: true)
        } catch {
            throw DeployError(.unreachable, "the name '\(host)' cannot be resolved: \(error.reason)")
        }
        var addresses: [String] = []
        for text in found.lazy.compactMap(\.text) where !addresses.contains(text) && addresses.count < most {
            addresses.append(text)
        }
        return addresses
    }

    /// The most addresses that are tried.
    private static let most = 16
}
