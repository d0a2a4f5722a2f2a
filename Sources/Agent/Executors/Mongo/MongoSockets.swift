// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Glibc
import Synchronization

/// The open sockets of one client, so that another thread can make it return from whatever it waits for.
final class MongoSockets: Sendable {
    private struct State {
        var open: Set<Int32> = []
        var isShut = false
        var trouble: String?
    }

    private let state = Mutex(State())

    /// Whether nothing may be sent or received any more.
    var isShut: Bool { state.withLock { $0.isShut } }

    /// Why the last connection could not be made, for people.
    var trouble: String? {
        get { state.withLock { $0.trouble } }
        set { state.withLock { $0.trouble = newValue } }
    }

    /// Takes a socket over; false when it is too late, and it was closed.
    func adopt(_ descriptor: Int32) -> Bool {
        state.withLock { state in
            guard !state.isShut else {
                Glibc.close(descriptor)
                return false
            }
            state.open.insert(descriptor)
            return true
        }
    }

    /// Closes a socket; never while another thread shuts it, since its number may then mean another.
    func close(_ descriptor: Int32) {
        state.withLock { state in
            if state.open.remove(descriptor) != nil { Glibc.close(descriptor) }
        }
    }

    /// Ends all connections, also those that are being made; whoever waits for one returns with an error.
    func shut() {
        state.withLock { state in
            state.isShut = true
            for descriptor in state.open { shutdown(descriptor, Int32(SHUT_RDWR)) }
        }
    }

    /// Waits until a socket is ready; false when the time is over.
    ///
    /// - Parameters:
    ///   - events: Of `poll(2)`.
    ///   - deadline: When to give up; nil for never.
    static func wait(_ descriptor: Int32, for events: Int32, until deadline: ContinuousClock.Instant?) -> Bool {
        var entry = pollfd(fd: descriptor, events: Int16(events), revents: 0)
        while true {
            let ready = poll(&entry, 1, milliseconds(until: deadline))
            if ready > 0 { return true }
            if ready < 0, errno == EINTR || errno == EAGAIN { continue }
            return false
        }
    }

    /// What `poll(2)` takes: the time that is left, rounded up; -1 for no limit.
    static func milliseconds(until deadline: ContinuousClock.Instant?) -> Int32 {
        guard let deadline else { return -1 }
        let left = ContinuousClock.now.duration(to: deadline)
        return left > .zero ? Int32(min((left / .milliseconds(1)).rounded(.up), 2e9)) : 0
    }

    /// The deadline that a time-out in milliseconds stands for: none when it is negative.
    static func deadline(_ milliseconds: Int32) -> ContinuousClock.Instant? {
        milliseconds < 0 ? nil : ContinuousClock.now + .milliseconds(Int64(milliseconds))
    }
}
