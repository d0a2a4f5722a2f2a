// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Glibc
import Synchronization

/// The socket of a connection by a number of our own, so that any thread can cut it. The library closes its own number
/// whenever it likes, and the system gives it to the next who asks.
final class MySQLLine: Sendable {
    private struct State {
        var descriptor: Int32 = -1
        var isCut = false
    }

    private let state = Mutex(State())

    deinit { close() }

    /// Whether it was cut.
    var isCut: Bool { state.withLock { $0.isCut } }

    /// Holds on to the socket with this number.
    func attach(_ descriptor: Int32) {
        let own = fcntl(descriptor, F_DUPFD_CLOEXEC, 0)
        let old = state.withLock { state in
            defer { state.descriptor = own }
            if state.isCut, own >= 0 { shutdown(own, Int32(SHUT_RDWR)) }
            return state.descriptor
        }
        if old >= 0 { Glibc.close(old) }
    }

    /// Makes whoever waits for the server go on with an error; at any time, from any thread.
    func cut() {
        state.withLock { state in
            state.isCut = true
            if state.descriptor >= 0 { shutdown(state.descriptor, Int32(SHUT_RDWR)) }
        }
    }

    /// Lets go of the socket.
    func close() {
        let own = state.withLock { state in
            defer { state.descriptor = -1 }
            return state.descriptor
        }
        if own >= 0 { Glibc.close(own) }
    }
}
