// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import NIOCore

/// Puts a name before every line of one stream, so that several streams can share one terminal or file.
///
/// Only whole lines are handed on. A line over ``lineLimit`` is broken there, so that memory stays bounded.
struct LinePrefixer: Sendable {
    /// The most bytes kept of an unfinished line.
    static let lineLimit = 65_536
    private static let newline = UInt8(ascii: "\n")

    private let prefix: [UInt8]
    private var pending: [UInt8] = []

    /// - Parameter name: Goes before every line, with ` | ` behind it.
    init(name: String) { prefix = Array("\(name) | ".utf8) }

    /// Takes bytes; gives the lines they complete.
    mutating func feed(_ bytes: ByteBuffer) -> ByteBuffer {
        var output = ByteBuffer()
        var rest = bytes.readableBytesView
        while !rest.isEmpty {
            let room = Self.lineLimit - pending.count
            if let end = rest.prefix(room).firstIndex(of: Self.newline) {
                emit(rest[rest.startIndex..<end], into: &output)
                rest = rest[rest.index(after: end)...]
            } else if rest.count >= room {
                let cut = rest.index(rest.startIndex, offsetBy: room)
                emit(rest[rest.startIndex..<cut], into: &output)
                rest = rest[cut...]
            } else {
                pending.append(contentsOf: rest)
                break
            }
        }
        return output
    }

    /// The unfinished line at the end of the stream, finished.
    mutating func finish() -> ByteBuffer {
        var output = ByteBuffer()
        if !pending.isEmpty { emit(ByteBuffer().readableBytesView, into: &output) }
        return output
    }

    private mutating func emit(_ line: ByteBufferView, into output: inout ByteBuffer) {
        output.writeBytes(prefix)
        output.writeBytes(pending)
        output.writeBytes(line)
        output.writeInteger(Self.newline)
        pending.removeAll(keepingCapacity: pending.capacity <= 4096)
    }
}
