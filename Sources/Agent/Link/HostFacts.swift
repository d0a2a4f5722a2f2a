// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Glibc

/// What the agent can say of its host.
enum HostFacts {
    /// What the host calls itself.
    static var hostname: String {
        var name = [CChar](repeating: 0, count: 256)
        guard gethostname(&name, name.count - 1) == 0 else { return "localhost" }
        return text(name)
    }

    /// The first address that is not a loopback one; IPv4 first. Empty when there is none.
    static var address: String {
        var list: UnsafeMutablePointer<ifaddrs>?
        guard getifaddrs(&list) == 0 else { return "" }
        defer { freeifaddrs(list) }
        var found: [Int32: String] = [:]
        var next = list
        while let entry = next?.pointee {
            next = entry.ifa_next
            guard let address = entry.ifa_addr, entry.ifa_flags & UInt32(IFF_UP) != 0,
                entry.ifa_flags & UInt32(IFF_LOOPBACK) == 0
            else { continue }
            let family = Int32(address.pointee.sa_family)
            let size = family == AF_INET ? MemoryLayout<sockaddr_in>.size : MemoryLayout<sockaddr_in6>.size
            guard family == AF_INET || family == AF_INET6, found[family] == nil else { continue }
            var host = [CChar](repeating: 0, count: 128)
            if getnameinfo(address, socklen_t(size), &host, socklen_t(host.count), nil, 0, NI_NUMERICHOST) == 0 {
                found[family] = text(host)
            }
        }
        return found[AF_INET] ?? found[AF_INET6] ?? ""
    }

    /// The operating system's name for people.
    static var operatingSystem: String {
        let release = read("/etc/os-release").split(separator: "\n").first { $0.hasPrefix("PRETTY_NAME=") }
        return release.map { $0.dropFirst("PRETTY_NAME=".count).filter { $0 != "\"" } } ?? "Linux"
    }

    /// The processor's architecture, as the kernel names it.
    static var architecture: String {
        var names = utsname()
        guard uname(&names) == 0 else { return "" }
        return withUnsafeBytes(of: &names.machine) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    }

    /// The one-minute load average.
    static var load: Double? { read("/proc/loadavg").split(separator: " ").first.flatMap { Double($0) } }

    /// Memory this program occupies, in bytes.
    static var residentBytes: Int64? {
        let fields = read("/proc/self/statm").split(separator: " ")
        return fields.count > 1 ? Int64(fields[1]).map { $0 * Int64(sysconf(Int32(_SC_PAGESIZE))) } : nil
    }

    /// Free bytes on the file system of a path.
    static func freeBytes(at path: String) -> Int64? {
        var info = statvfs()
        guard statvfs(path, &info) == 0 else { return nil }
        return Int64(
            clamping: UInt64(info.f_bavail).multipliedReportingOverflow(by: UInt64(info.f_frsize)).partialValue)
    }

    private static func text(_ characters: [CChar]) -> String {
        String(decoding: characters.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// The beginning of a small file of the system.
    private static func read(_ path: String) -> String {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return "" }
        defer { close(descriptor) }
        var block = [UInt8](repeating: 0, count: 8192)
        let count = Glibc.read(descriptor, &block, block.count)
        return String(decoding: block.prefix(max(0, count)), as: UTF8.self)
    }
}
