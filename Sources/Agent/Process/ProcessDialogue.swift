// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Glibc
import NIOCore
import NIOPosix

/// Two pipes to a program that is talked with, line by line: what is sent comes on its standard input, and what it writes
/// to its standard output is read here instead of going to a log.
struct ProcessDialogue: Sendable {
    /// The program's end of its standard input.
    let childInput: Int32
    /// The program's end of its standard output.
    let childOutput: Int32
    private let reader: PipeLineReader
    private let output: any Channel
    private let input: any Channel

    /// Makes the pipes; throws `unavailable` when descriptors run out.
    ///
    /// - Parameters:
    ///   - loop: Reads and writes.
    ///   - maximumLine: The most bytes of a line of the program's.
    init(on loop: any EventLoop, maximumLine: Int) async throws(DeployError) {
        let toProgram = try OutputPipe()
        let fromProgram: OutputPipe
        do throws(DeployError) {
            fromProgram = try OutputPipe()
        } catch {
            close(toProgram.readEnd)
            close(toProgram.writeEnd)
            throw error
        }
        childInput = toProgram.readEnd
        childOutput = fromProgram.writeEnd
        do throws(DeployError) {
            (reader, output) = try await PipeLineReader.attach(fromProgram.readEnd, maximumLine: maximumLine, on: loop)
        } catch {
            close(toProgram.readEnd)
            close(toProgram.writeEnd)
            close(fromProgram.writeEnd)
            throw error
        }
        do {
            input = try await NIOPipeBootstrap(group: loop)
                .takingOwnershipOfDescriptor(output: toProgram.writeEnd).get()
        } catch {
            close(toProgram.readEnd)
            close(toProgram.writeEnd)
            close(fromProgram.writeEnd)
            output.close(promise: nil)
            throw DeployError(.unavailable, "a program's input cannot be written: \(error)")
        }
    }

    /// The program's ends were not handed to a program.
    func closeChildEnds() {
        close(childInput)
        close(childOutput)
    }

    /// Sends a line and returns at once; a program that does not read it costs its bytes in memory.
    func send(_ line: ByteBuffer) {
        var line = line
        line.writeInteger(UInt8(ascii: "\n"))
        input.writeAndFlush(line, promise: nil)
    }

    /// What the program says next; waits for it.
    func next() async -> PipeLineReader.Next { await reader.next(output) }

    /// Nothing more will be sent: the program reads to the end of its input.
    func closeInput() { input.close(promise: nil) }

    /// Nothing more is read.
    func closeOutput() { output.close(promise: nil) }
}
