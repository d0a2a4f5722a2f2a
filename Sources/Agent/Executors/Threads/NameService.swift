// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import CKernel
import Core
import Glibc

/// An address as `connect` takes it: a `sockaddr` of some family.
struct SocketAddressBytes: Sendable, Hashable {
    var family: Int32
    var bytes: [UInt8]

    /// The address without its port, as numbers.
    var text: String? {
        var text = [CChar](repeating: 0, count: Int(NI_MAXHOST))
        let status = bytes.withUnsafeBytes { bytes in
            bytes.withMemoryRebound(to: sockaddr.self) {
                getnameinfo(
                    $0.baseAddress, socklen_t(bytes.count), &text, socklen_t(text.count), nil, 0, NI_NUMERICHOST)
            }
        }
        return status == 0 ? text.withUnsafeBufferPointer { $0.baseAddress.map { String(cString: $0) } } : nil
    }

    /// The address of the Internet in it, if it is one.
    var address: IPAddress? {
        bytes.withUnsafeBytes { bytes in
            switch family {
            case AF_INET where bytes.count >= MemoryLayout<sockaddr_in>.size:
                withUnsafeBytes(of: bytes.loadUnaligned(as: sockaddr_in.self).sin_addr) { IPAddress(bytes: Array($0)) }
            case AF_INET6 where bytes.count >= MemoryLayout<sockaddr_in6>.size:
                withUnsafeBytes(of: bytes.loadUnaligned(as: sockaddr_in6.self).sin6_addr) {
                    IPAddress(bytes: Array($0))
                }
            default: nil
            }
        }
    }
}

/// Asks the system for the addresses of names: its hosts file, then its name servers.
enum NameService {
    /// Why a name has no addresses, as the system says it.
    struct Failure: Error {
        var reason: String
    }

    /// The addresses of a name in the order to be tried. May block its thread for long, and cannot be stopped.
    ///
    /// - Parameters:
    ///   - port: What the addresses hold beside; nil for none.
    ///   - usableOnly: Whether families are left out that this host has no address of.
    static func addresses(
        of name: String, port: String? = nil, usableOnly: Bool = false
    ) throws(Failure) -> [SocketAddressBytes] {
        var hints = addrinfo()
        hints.ai_socktype = ck_stream_socket()
        hints.ai_flags = usableOnly ? AI_ADDRCONFIG : 0
        var list: UnsafeMutablePointer<addrinfo>?
        let status = getaddrinfo(name, port, &hints, &list)
        guard status == 0 else {
            throw Failure(reason: gai_strerror(status).map { String(cString: $0) } ?? "error \(status)")
        }
        defer { freeaddrinfo(list) }
        var addresses: [SocketAddressBytes] = []
        var next = list
        while let entry = next?.pointee {
            if let address = entry.ai_addr {
                let bytes = Array(UnsafeRawBufferPointer(start: address, count: Int(entry.ai_addrlen)))
                addresses.append(SocketAddressBytes(family: entry.ai_family, bytes: bytes))
            }
            next = entry.ai_next
        }
        return addresses
    }
}
