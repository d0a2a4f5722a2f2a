// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Dispatch
import Synchronization

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// ^C in two steps: the first is an event, the second leaves at once with status 130.
final class Interrupts: Sendable {
    private let first = BoundedChannel<Void>(capacity: 1)

    /// Takes SIGINT over for the rest of the process's life.
    init() {
        signal(SIGINT, SIG_IGN)
        let source = DispatchSource.makeSignalSource(signal: SIGINT, queue: DispatchQueue(label: "tiangong.interrupt"))
        let count = Mutex(0)
        source.setEventHandler { [first] in
            let number = count.withLock { count in
                count += Int(source.data)
                return count
            }
            if number > 1 { _exit(130) }
            first.offer(())
        }
        source.resume()  // its handler holds it from here on
    }

    /// Waits for the first ^C; false when the caller was cancelled.
    func wait() async -> Bool { await first.next() != nil }
}
