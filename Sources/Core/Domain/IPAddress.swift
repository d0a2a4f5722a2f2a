// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// An IPv4 or IPv6 address.
public struct IPAddress: Sendable, Hashable, CustomStringConvertible {
    /// 4 or 16 bytes in the order of the network.
    public let bytes: [UInt8]

    /// Nil unless the text is four decimal numbers without leading zeros, or an IPv6 address without brackets and zone.
    public init?(_ text: String) {
        // A NUL would end the text before its end.
        guard text.utf8.allSatisfy({ (33...126).contains($0) }) else { return nil }
        var bytes = [UInt8](repeating: 0, count: 16)
        if inet_pton(AF_INET, text, &bytes) == 1 {
            self.bytes = Array(bytes.prefix(4))
        } else {
            guard inet_pton(AF_INET6, text, &bytes) == 1 else { return nil }
            self.bytes = bytes
        }
    }

    /// Nil unless there are 4 or 16 bytes.
    public init?(bytes: [UInt8]) {
        guard bytes.count == 4 || bytes.count == 16 else { return nil }
        self.bytes = bytes
    }

    /// Whether it is an IPv6 address.
    public var isIPv6: Bool { bytes.count == 16 }

    /// The IPv4 address for one that is mapped into IPv6 (`::ffff:a.b.c.d`), else the address itself.
    public var unmapped: IPAddress {
        let mapped: [UInt8] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF]
        return isIPv6 && bytes.starts(with: mapped) ? IPAddress(bytes: Array(bytes.dropFirst(12))) ?? self : self
    }

    /// The usual short form.
    public var description: String {
        var text = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
        let family = isIPv6 ? AF_INET6 : AF_INET
        guard inet_ntop(family, bytes, &text, socklen_t(text.count)) != nil else { return "" }
        return text.withUnsafeBufferPointer { $0.baseAddress.map { String(cString: $0) } ?? "" }
    }
}
