// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// So many things at once, and so many a second from then on. A value: the clock is the caller's.
struct TokenBucket: Sendable {
    let capacity: Double
    let perSecond: Double
    private(set) var level: Double
    private var last: ContinuousClock.Instant

    init(capacity: Double, perSecond: Double, now: ContinuousClock.Instant) {
        self.capacity = capacity
        self.perSecond = perSecond
        level = capacity
        last = now
    }

    /// Takes one; nil when there was one, otherwise the seconds until there is.
    mutating func take(now: ContinuousClock.Instant) -> Double? {
        let elapsed = last.duration(to: now).components
        level = min(capacity, level + perSecond * max(0, Double(elapsed.seconds) + Double(elapsed.attoseconds) / 1e18))
        last = max(last, now)
        if level >= 1 {
            level -= 1
            return nil
        }
        return (1 - level) / perSecond
    }

    /// Whether nothing is lost by forgetting it.
    func isFull(now: ContinuousClock.Instant) -> Bool {
        var copy = self
        _ = copy.take(now: now)
        return copy.level >= capacity - 1
    }
}

/// A bucket for each key, of which only those that matter are kept.
struct TokenBuckets<Key: Hashable & Sendable>: Sendable {
    let capacity: Double
    let perSecond: Double
    private var buckets: [Key: TokenBucket] = [:]

    /// The most keys remembered; beyond it full ones are forgotten, and if all matter, all are.
    private static var limit: Int { 16_384 }

    init(capacity: Double, perSecond: Double) {
        self.capacity = capacity
        self.perSecond = perSecond
    }

    var count: Int { buckets.count }

    mutating func take(_ key: Key, now: ContinuousClock.Instant) -> Double? {
        if buckets.count >= Self.limit, buckets[key] == nil {
            buckets = buckets.filter { !$0.value.isFull(now: now) }
            if buckets.count >= Self.limit { buckets = [:] }
        }
        return buckets[key, default: TokenBucket(capacity: capacity, perSecond: perSecond, now: now)].take(now: now)
    }
}

/// Whom an address counts for: an IPv4 address, or the /64 network of an IPv6 address, which is one subscriber.
enum AddressGroup {
    static func key(_ address: String) -> String {
        var parsed = in6_addr()
        guard address.contains(":"), inet_pton(AF_INET6, address, &parsed) == 1 else { return address }
        let bytes = withUnsafeBytes(of: &parsed) { Array($0) }
        if bytes.starts(with: [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF]) {
            return bytes.dropFirst(12).map { String($0) }.joined(separator: ".")
        }
        return bytes.prefix(8).map { String($0, radix: 16) }.joined(separator: ":") + "/64"
    }
}
