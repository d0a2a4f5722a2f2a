// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Glibc
import Synchronization

/// The wish to stop what a thread does with a connection; wakes the thread while it waits for the server.
final class PostgresInterrupt: Sendable {
    private struct Ends {
        var read: Int32 = -1
        var write: Int32 = -1
        var isStopped = false
    }

    private let ends: Mutex<Ends>

    /// Nil when this process has no descriptor left.
    init?() {
        var pair: [Int32] = [-1, -1]
        guard pipe(&pair) == 0 else { return nil }
        for end in pair {
            _ = fcntl(end, F_SETFD, FD_CLOEXEC)
            _ = fcntl(end, F_SETFL, O_NONBLOCK)
        }
        ends = Mutex(Ends(read: pair[0], write: pair[1]))
    }

    deinit {
        let pair = ends.withLock { $0 }
        close(pair.read)
        close(pair.write)
    }

    /// Asks to stop; repeating it changes nothing.
    func stop() {
        ends.withLock { ends in
            guard !ends.isStopped else { return }
            ends.isStopped = true
            var byte: UInt8 = 1
            _ = write(ends.write, &byte, 1)
        }
    }

    /// Whether somebody asked to stop.
    var isStopped: Bool { ends.withLock { $0.isStopped } }

    /// Becomes readable when somebody asks to stop; lives as long as this does.
    var descriptor: Int32 { ends.withLock { $0.read } }
}
