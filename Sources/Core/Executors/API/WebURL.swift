// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

/// The URL of an HTTP request, read strictly and written in one way only: what is judged is what is sent.
///
/// Only `http` and `https`, hosts in ASCII, IPv4 as four decimal numbers; no credentials, no fragment, no `.` and `..`.
public struct WebURL: Sendable, Hashable, CustomStringConvertible {
    /// Where it goes: a name that is yet to be looked up, or an address.
    public enum Host: Sendable, Hashable {
        /// Lower case, without a dot at the end.
        case name(String)
        /// As it was given.
        case address(IPAddress)
    }

    /// Whether it is `https`.
    public let isSecure: Bool
    /// Where it goes.
    public let host: Host
    /// 1 to 65535.
    public let port: Int
    /// From the first slash on, percent-encoded.
    public let path: String
    /// Behind the question mark, percent-encoded; nil without one.
    public private(set) var query: String?

    /// The longest URL, in bytes.
    public static let maximumBytes = 8192

    /// Reads a URL that somebody wrote; throws `invalid_argument` saying what is wrong with it.
    public init(_ text: String) throws(DeployError) { try self.init(text, dots: .refused) }

    /// How segments `.` and `..` of a path are taken.
    private enum Dots { case refused, removed }

    private init(_ text: String, dots: Dots) throws(DeployError) {
        guard text.utf8.count <= Self.maximumBytes else {
            throw DeployError(.tooLarge, "the URL is over \(Self.maximumBytes) bytes")
        }
        guard text.utf8.allSatisfy({ (0x21...0x7E).contains($0) && !"\"<>\\^`{|}".utf8.contains($0) }) else {
            throw Self.bad("holds characters that must be percent-encoded", hint: "write names of hosts in punycode")
        }
        let scheme = text.prefix { $0 != ":" }
        let rest = text.dropFirst(scheme.count)
        guard rest.hasPrefix("://"), ["http", "https"].contains(scheme.lowercased()) else {
            throw Self.bad("does not begin with http:// or https://")
        }
        isSecure = scheme.lowercased() == "https"
        let behind = rest.dropFirst(3)
        guard !behind.contains("#") else { throw Self.bad("has a fragment, which is never sent", hint: "leave it out") }
        let authority = behind.prefix { $0 != "/" && $0 != "?" }
        (host, port) = try Self.authority(authority, standard: isSecure ? 443 : 80)
        let target = behind.dropFirst(authority.count)
        let rawPath = target.prefix { $0 != "?" }
        let plain = dots == .removed ? Self.withoutDots(rawPath) : String(rawPath)
        path = try Self.path(plain)
        query = rawPath.count < target.count ? try Self.escaped(target.dropFirst(rawPath.count + 1), "/?") : nil
    }

    // MARK: Text

    /// The one way to write it; the port stands there unless it is the scheme's own.
    public var description: String { origin + path + (query.map { "?\($0)" } ?? "") }

    /// Scheme, host and port.
    public var origin: String {
        let standard = isSecure ? 443 : 80
        return (isSecure ? "https://" : "http://") + hostText + (port == standard ? "" : ":\(port)")
    }

    /// The host as a URL has it.
    public var hostText: String {
        switch host {
        case .name(let name): name
        case .address(let address): address.isIPv6 ? "[\(address)]" : "\(address)"
        }
    }

    /// The same with more in its query, percent-encoded already.
    public func adding(query more: String) -> WebURL {
        guard !more.isEmpty else { return self }
        var url = self
        url.query = query.map { $0.isEmpty ? more : "\($0)&\(more)" } ?? more
        return url
    }

    /// A value as it stands in a query: everything but letters, digits and `-._~` encoded.
    public static func encoded(_ value: some Sequence<UInt8>) -> String {
        var text: [UInt8] = []
        for byte in value {
            if isUnreserved(byte) { text.append(byte) } else { append(byte, to: &text) }
        }
        return String(decoding: text, as: UTF8.self)
    }

    // MARK: References

    /// The URL that a server's `Location` names, seen from this one. Throws `invalid_argument` for what is not followed:
    /// other schemes, credentials, hosts that are none.
    public func resolving(_ reference: String) throws(DeployError) -> WebURL {
        var text = String(decoding: Self.printable(reference.prefix { $0 != "#" }), as: UTF8.self)
        if let colon = text.firstIndex(of: ":"), Self.isScheme(text[..<colon]) {
            // As it is.
        } else if text.hasPrefix("//") {
            text = (isSecure ? "https:" : "http:") + text
        } else if text.hasPrefix("/") {
            text = origin + text
        } else if text.isEmpty {
            text = description
        } else if text.hasPrefix("?") {
            text = origin + path + text
        } else {
            text = origin + path[...(path.lastIndex(of: "/") ?? path.startIndex)] + text
        }
        return try WebURL(text, dots: .removed)
    }

    private static func isScheme(_ text: Substring) -> Bool {
        guard let first = text.utf8.first, isLetter(first) else { return false }
        return text.utf8.allSatisfy { isLetter($0) || (48...57).contains($0) || "+-.".utf8.contains($0) }
    }

    /// Servers write blanks and names in UTF-8 into `Location`.
    private static func printable(_ text: Substring) -> [UInt8] {
        var result: [UInt8] = []
        for byte in text.utf8 {
            if byte == 0x20 || byte >= 0x80 { append(byte, to: &result) } else { result.append(byte) }
        }
        return result
    }

    /// RFC 3986, 5.2.4.
    private static func withoutDots(_ path: Substring) -> String {
        var kept: [Substring] = []
        let segments = path.split(separator: "/", omittingEmptySubsequences: false)
        for (index, segment) in segments.enumerated() {
            let isLast = index == segments.count - 1
            switch segment.lowercased().replacing("%2e", with: ".") {
            case ".": if isLast { kept.append("") }
            case "..":
                if kept.count > 1 { kept.removeLast() }
                if isLast { kept.append("") }
            default: kept.append(segment)
            }
        }
        return kept.joined(separator: "/")
    }

    // MARK: Parts

    private static func authority(_ text: Substring, standard: Int) throws(DeployError) -> (Host, Int) {
        guard !text.contains("@") else {
            throw bad("holds credentials", hint: "give them as --basic-user and --basic-password, or --bearer")
        }
        let bracket = text.hasPrefix("[") ? text.firstIndex(of: "]") : nil
        let nameEnd = bracket.map { text.index(after: $0) } ?? text.firstIndex(of: ":") ?? text.endIndex
        let behind = text[nameEnd...]
        var port = standard
        if !behind.isEmpty {
            let digits = behind.dropFirst()
            guard behind.hasPrefix(":"), (1...5).contains(digits.utf8.count),
                digits.utf8.allSatisfy({ (48...57).contains($0) }), let number = Int(digits),
                (1...65535).contains(number)
            else { throw bad("has a port that is not 1 to 65535") }
            port = number
        }
        if let bracket {
            let inside = text[text.index(after: text.startIndex)..<bracket]
            guard let address = IPAddress(String(inside)), address.isIPv6 else {
                throw bad("has brackets around what is no IPv6 address", hint: "zones such as %eth0 are not taken")
            }
            return (.address(address), port)
        }
        return (try Self.host(text[..<nameEnd]), port)
    }

    private static func host(_ text: Substring) throws(DeployError) -> Host {
        var name = text.lowercased()
        if name.hasSuffix(".") { name.removeLast() }
        if let address = IPAddress(name), !address.isIPv6 { return .address(address) }
        let labels = name.split(separator: ".", omittingEmptySubsequences: false)
        guard (1...253).contains(name.utf8.count), labels.allSatisfy(isLabel) else {
            throw bad("has a host that is neither a name nor an address")
        }
        // Resolvers read such names as addresses in octal, in hexadecimal, or with parts left out.
        if let last = labels.last, isNumber(last) {
            throw bad(
                "has a host '\(name.prefix(64))' that looks like an IPv4 address and is none",
                hint: "write it as four decimal numbers without leading zeros, such as 192.0.2.7")
        }
        return .name(name)
    }

    private static func isLabel(_ label: Substring) -> Bool {
        (1...63).contains(label.utf8.count) && !label.hasPrefix("-") && !label.hasSuffix("-")
            && label.utf8.allSatisfy { isLetter($0) || (48...57).contains($0) || $0 == 45 || $0 == 95 }
    }

    private static func isNumber(_ label: Substring) -> Bool {
        if label.utf8.allSatisfy({ (48...57).contains($0) }) { return true }
        return label.hasPrefix("0x")
            && label.dropFirst(2).utf8.allSatisfy { (48...57).contains($0) || (97...102).contains($0) }
    }

    private static func path(_ text: String) throws(DeployError) -> String {
        guard !text.isEmpty else { return "/" }
        let path = try escaped(text[...], "/")
        // Decoded as often as a careless server might: what is judged must not turn out to be another place.
        var decoded = Array(path.utf8)
        for _ in 0..<4 {
            guard !decoded.contains(where: { $0 < 0x20 || $0 == 0x7F }) else {
                throw bad("has a control character in its path")
            }
            let pieces = decoded.split(whereSeparator: { "/\\;".utf8.contains($0) })
            guard !pieces.contains(where: { $0.elementsEqual(".".utf8) || $0.elementsEqual("..".utf8) }) else {
                throw bad("has . or .. in its path", hint: "write the path they lead to")
            }
            let next = Self.decoded(decoded)
            if next == decoded { break }
            decoded = next
        }
        return path
    }

    private static func decoded(_ bytes: [UInt8]) -> [UInt8] {
        var result: [UInt8] = []
        var index = 0
        while index < bytes.count {
            if bytes[index] == UInt8(ascii: "%"), let byte = hexByte(bytes[...], at: index) {
                result.append(byte)
                index += 3
            } else {
                result.append(bytes[index])
                index += 1
            }
        }
        return result
    }

    /// The one way to escape a path or a query: what needs no escape has none, digits are upper case.
    private static func escaped(_ text: Substring, _ also: String) throws(DeployError) -> String {
        let bytes = Array(text.utf8)
        var result: [UInt8] = []
        var index = 0
        while index < bytes.count {
            let byte = bytes[index]
            if byte == UInt8(ascii: "%") {
                guard let value = hexByte(bytes[...], at: index) else { throw bad("has a % without two digits") }
                guard value != 0 else { throw bad("holds a NUL") }
                if isUnreserved(value) { result.append(value) } else { append(value, to: &result) }
                index += 3
            } else {
                let isPlain = isUnreserved(byte) || "!$&'()*+,;=:@".utf8.contains(byte) || also.utf8.contains(byte)
                if isPlain { result.append(byte) } else { append(byte, to: &result) }
                index += 1
            }
        }
        return String(decoding: result, as: UTF8.self)
    }

    private static func hexByte(_ bytes: ArraySlice<UInt8>, at index: Int) -> UInt8? {
        guard index + 2 < bytes.endIndex, let high = hexDigit(bytes[index + 1]), let low = hexDigit(bytes[index + 2])
        else { return nil }
        return high << 4 | low
    }

    private static func hexDigit(_ byte: UInt8) -> UInt8? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - 48
        case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - 87
        case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - 55
        default: nil
        }
    }

    private static func append(_ byte: UInt8, to text: inout [UInt8]) {
        let digits = Array("0123456789ABCDEF".utf8)
        text += [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
    }

    private static func isLetter(_ byte: UInt8) -> Bool { (65...90).contains(byte) || (97...122).contains(byte) }

    private static func isUnreserved(_ byte: UInt8) -> Bool {
        isLetter(byte) || (48...57).contains(byte) || "-._~".utf8.contains(byte)
    }

    private static func bad(_ what: String, hint: String? = nil) -> DeployError {
        DeployError(.invalidArgument, "the URL \(what)", hint: hint)
    }
}
