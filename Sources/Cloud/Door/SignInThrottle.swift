// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Synchronization

/// What failed sign-ins cost, as a value: few are answered one by one, the rest are told to wait and only counted.
///
/// It is asked after a credential was found wrong, never before: a good one always passes.
struct SignInBudget: Sendable {
    /// Whether a failed sign-in is one of the few.
    enum Verdict: Sendable, Equatable {
        case few
        /// One of too many; worth another try after so many seconds.
        case tooMany(retryAfter: Int)
    }

    private var addresses: TokenBuckets<String>
    private var all: TokenBucket
    /// Failures since the last that was one of the few, which the next record may tell.
    private(set) var uncounted = 0

    init(_ limits: EdgeLimits, now: ContinuousClock.Instant) {
        addresses = TokenBuckets(
            capacity: Double(limits.failedSignIns), perSecond: Double(limits.failedSignIns) / 60)
        all = TokenBucket(
            capacity: Double(limits.failedSignInsTotal), perSecond: Double(limits.failedSignInsTotal) / 60, now: now)
    }

    mutating func failed(from address: String, now: ContinuousClock.Instant) -> Verdict {
        let wait = addresses.take(AddressGroup.key(address), now: now) ?? all.take(now: now)
        guard let wait else { return .few }
        uncounted += 1
        return .tooMany(retryAfter: max(1, Int(wait.rounded(.up))))
    }

    /// How many were not answered one by one since this was last asked.
    mutating func takeUncounted() -> Int {
        defer { uncounted = 0 }
        return uncounted
    }
}

/// The budget of failed sign-ins of this replica, shared by links and plain requests.
final class SignInThrottle: Sendable {
    private let budget: Mutex<SignInBudget>

    init(_ limits: EdgeLimits) { budget = Mutex(SignInBudget(limits, now: .now)) }

    /// What to answer to a sign-in that failed with `error`, and whether to write it to the audit with the number of
    /// those that were only counted before it. Errors that no guessing causes are passed on as they are.
    func judge(_ error: DeployError, from address: String) -> (answer: DeployError, record: Record?) {
        guard error.code == .unauthenticated || error.code == .forbidden else { return (error, nil) }
        return budget.withLock { budget in
            switch budget.failed(from: address, now: .now) {
            case .few: return (error, Record(error: error, source: address, uncounted: budget.takeUncounted()))
            case .tooMany(let seconds):
                let answer = DeployError(
                    .rateLimited, "too many failed sign-ins from this address", hint: "a valid token is always let in",
                    retryAfter: seconds)
                return (answer, nil)
            }
        }
    }

    /// A failed sign-in for the audit.
    struct Record: Sendable, Equatable {
        let error: DeployError
        let source: String
        /// Failures before it that were only counted.
        let uncounted: Int
    }
}

/// How many requests and new links each address and each token may have.
final class RequestThrottle: Sendable {
    private struct State {
        var addresses: TokenBuckets<String>
        var tokens: TokenBuckets<String>
    }

    private let state: Mutex<State>

    init(_ limits: EdgeLimits) {
        func buckets<Key>(_ rate: Int) -> TokenBuckets<Key> {
            TokenBuckets(capacity: Double(rate) * 4, perSecond: Double(rate))
        }
        state = Mutex(
            State(addresses: buckets(limits.requestsPerAddress), tokens: buckets(limits.requestsPerToken)))
    }

    /// Counts a request of an address, before its credential is looked at; throws `rate_limited`.
    func spend(address: String) throws(DeployError) {
        let wait = state.withLock { $0.addresses.take(AddressGroup.key(address), now: .now) }
        if let wait { throw Self.refusal("this address", wait) }
    }

    /// Counts a request with a token that was found good; throws `rate_limited`.
    func spend(token: String) throws(DeployError) {
        let wait = state.withLock { $0.tokens.take(token, now: .now) }
        if let wait { throw Self.refusal("this token", wait) }
    }

    private static func refusal(_ whose: String, _ wait: Double) -> DeployError {
        DeployError(.rateLimited, "too many requests of \(whose)", retryAfter: max(1, Int(wait.rounded(.up))))
    }
}
