// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Glibc
import NIOCore

/// A task's standard output for executors that make it themselves. Writing waits while the log takes no more, so that a fast
/// server does not fill this host's memory.
struct LogOutput: Sendable {
    private let accept: @Sendable (ByteBuffer, LogStream) -> Void
    private let mustWait: @Sendable () -> Bool

    /// - Parameters:
    ///   - accept: Takes what is written.
    ///   - mustWait: Whether whoever writes has to wait before writing more.
    init(
        accept: @escaping @Sendable (ByteBuffer, LogStream) -> Void,
        mustWait: @escaping @Sendable () -> Bool = { false }
    ) {
        self.accept = accept
        self.mustWait = mustWait
    }

    /// A task's log.
    init(_ log: LogPump) {
        self.init(
            accept: { bytes, stream in
                log.accept(bytes, from: stream)
                log.settle()
            }, mustWait: { !log.hasRoom && !log.isAbandoned })
    }

    /// Writes from a thread that may wait; see ``WorkThread``.
    func write(_ bytes: ByteBuffer, to stream: LogStream = .stdout) {
        accept(bytes, stream)
        while mustWait() { usleep(2000) }
    }

    /// Writes from a task, which waits without a thread.
    func send(_ bytes: ByteBuffer, to stream: LogStream = .stdout) async {
        accept(bytes, stream)
        await room()
    }

    /// The same output for writers that do not know how to wait; whoever uses one waits for ``room()`` now and then.
    var unwaiting: LogOutput { LogOutput(accept: accept) }

    /// Waits, without a thread, until the log takes more.
    func room() async {
        while mustWait(), !Task.isCancelled { try? await Task.sleep(for: .milliseconds(2)) }
    }

    /// A line of text.
    func line(_ text: String, to stream: LogStream = .stdout) async {
        await send(ByteBuffer(string: text + "\n"), to: stream)
    }
}
