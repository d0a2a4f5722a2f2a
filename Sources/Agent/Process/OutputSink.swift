// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import NIOCore

/// Where the outputs of a program go: a task's ``LogPump``, or something smaller.
protocol OutputSink: Sendable {
    /// The loop that reads the outputs: one for all of a program, so that their order is kept.
    var eventLoop: any EventLoop { get }
    /// Takes some output.
    func accept(_ bytes: ByteBuffer, from stream: LogStream)
    /// Nothing more can be read right now.
    func settle()
    /// One output is at its end.
    func finish(_ stream: LogStream)
    /// Whether more output may be read now.
    var hasRoom: Bool { get }
    /// Calls back, on the loop, once more output may be read.
    func whenRoom(_ resume: @escaping @Sendable () -> Void)
    /// Takes a line of our own.
    func note(_ text: String)
}

extension LogPump: OutputSink {}
