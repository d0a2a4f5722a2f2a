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
        var hints = addrinfo()
        hints.ai_family = AF_UNSPEC
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        hints.ai_flags = AI_ADDRCONFIG
        var list: UnsafeMutablePointer<addrinfo>?
        let status = getaddrinfo(host, nil, &hints, &list)
        guard status == 0 else {
            let cause = gai_strerror(status).map { String(cString: $0) } ?? "unknown"
            throw DeployError(.unreachable, "the name '\(host)' cannot be resolved: \(cause)")
        }
        defer { freeaddrinfo(list) }
        var addresses: [String] = []
        var entry = list
        while let info = entry?.pointee, addresses.count < 16 {
            var text = [CChar](repeating: 0, count: Int(NI_MAXHOST))
            let found = getnameinfo(
                info.ai_addr, info.ai_addrlen, &text, socklen_t(text.count), nil, 0, NI_NUMERICHOST)
            let address = text.withUnsafeBufferPointer { $0.baseAddress.map { String(cString: $0) } ?? "" }
            if found == 0, !addresses.contains(address) { addresses.append(address) }
            entry = info.ai_next
        }
        return addresses
    }
}
