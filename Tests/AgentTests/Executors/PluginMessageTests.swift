// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Glibc
import NIOCore
import NIOPosix
import Synchronization
import Testing

@testable import Agent

@Suite struct `What a plugin says` {
    private func read(_ line: String) throws(DeployError) -> PluginMessage {
        try PluginMessage(ByteBuffer(string: line))
    }

    @Test(arguments: [
        (#"{"type":"log","text":"a\n"}"#, PluginMessage.log(.stdout, ByteBuffer(string: "a\n"))),
        (#"{"type":"log","stream":"stderr","base64":"AP8="}"#, .log(.stderr, ByteBuffer(bytes: [0, 255]))),
        (
            #"{"type":"columns","columns":["a",{"name":"b","kind":"number"}]}"#,
            .columns([.init(name: "a", kind: .text), .init(name: "b", kind: .number)])
        ),
        (#"{"type":"row","values":[1,null]}"#, .row([.integer(1), .null])),
        (#"{"type":"row","row":{"a":true}}"#, .namedRow(["a": .bool(true)])),
        (#"{"type":"progress","done":1,"total":2.5}"#, .progress(text: nil, done: 1, total: 2.5)),
        (#"{"type":"result"}"#, .result([:])),
        (#" {"type":"result","result":{"a":1},"more":2}"#, .result(["a": .integer(1)])),
        (#"{"type":"error","code":"not_found","message":"no"}"#, .error(code: "not_found", message: "no")),
        (#"{"type":"error"}"#, .error(code: "internal", message: "no reason given")),
        (#"{"type":"schema","protocol":1,"schema":7}"#, .schema(.integer(7))),
    ])
    func `is read`(line: String, expected: PluginMessage) throws { #expect(try read(line) == expected) }

    @Test(arguments: [
        "", " ", "x", "{", "[]", "1", "null", "{}", #"{"type":1}"#, #"{"type":"x"}"#, #"{"type":"log"}"#,
        #"{"type":"log","text":1}"#,
        #"{"type":"log","text":"a","base64":"AA=="}"#, #"{"type":"log","base64":"%"}"#,
        #"{"type":"log","stream":"system","text":"a"}"#,
        #"{"type":"columns"}"#, #"{"type":"columns","columns":[]}"#, #"{"type":"columns","columns":[1]}"#,
        #"{"type":"columns","columns":[{"name":"a","kind":"x"}]}"#, #"{"type":"row"}"#, #"{"type":"row","values":{}}"#,
        #"{"type":"result","result":[]}"#, #"{"type":"error","code":""}"#, #"{"type":"error","code":"A b"}"#,
        #"{"type":"schema","schema":{}}"#, #"{"type":"schema","protocol":2,"schema":{}}"#,
        #"{"type":"log","text":"a"}{"#,
        #"{"type":"log","text":"\ud800"}"#,
    ])
    func `is an error of the protocol`(line: String) {
        let error = #expect(throws: DeployError.self) { try read(line) }
        #expect(error?.code == .protocolError)
    }

    /// Whatever a line holds, it is read or it is an error: nothing traps, and no message is without bounds.
    @Test(arguments: 0..<8) func `never harms who reads it`(seed: UInt64) {
        var generator = Mixer(state: seed &* 0x9E37_79B9_7F4A_7C15 &+ 1)
        let seeds = [
            #"{"type":"log","text":"a\n","stream":"stdout"}"#,
            #"{"type":"row","values":[1,2.5e300,null,"x",{"base64":"AA=="}]}"#,
            #"{"type":"progress","done":-1e308,"total":9223372036854775807,"text":"x"}"#,
            #"{"type":"error","code":"a","message":"b"}"#,
            #"{"type":"columns","columns":["a",{"name":"b","kind":"json"}]}"#,
            #"{"type":"schema","protocol":1,"schema":{"a":[[]]}}"#,
        ].map { Array($0.utf8) }
        let pieces: [[UInt8]] = [
            [0], [0xFF], [0x22], [0x5C], Array("{}".utf8), Array("[[[[[[[[".utf8), Array("-0".utf8),
            Array("1e999".utf8),
            Array("\\ud83d".utf8), Array("99999999999999999999".utf8), Array(",".utf8), [0xE2, 0x80],
            Array("null".utf8),
        ]
        var read = 0
        for _ in 0..<2000 {
            var line = seeds[Int(generator.next() % UInt64(seeds.count))]
            for _ in 0..<(generator.next() % 5) {
                let place = Int(generator.next() % UInt64(line.count + 1))
                let end = min(line.count, place + Int(generator.next() % 4))
                line.replaceSubrange(place..<end, with: pieces[Int(generator.next() % UInt64(pieces.count))])
            }
            do throws(DeployError) {
                _ = try PluginMessage(ByteBuffer(bytes: line))
                read += 1
            } catch {
                #expect(error.code == .protocolError && error.message.utf8.count < 1000)
            }
        }
        #expect(read > 100 && read < 1900, "some are good, some are not: \(read)")
    }

    private struct Mixer: RandomNumberGenerator {
        var state: UInt64
        mutating func next() -> UInt64 {
            state ^= state << 13
            state ^= state >> 7
            state ^= state << 17
            return state
        }
    }
}

@Suite struct `Lines of a program` {
    private func lines(_ writes: [[UInt8]], maximum: Int = 100) async throws -> [PipeLineReader.Next] {
        let pipe = try OutputPipe()
        let (reader, channel) = try await PipeLineReader.attach(
            pipe.readEnd, maximumLine: maximum, on: MultiThreadedEventLoopGroup.singleton.any())
        async let found = Self.all(reader, channel)
        for bytes in writes { _ = bytes.withUnsafeBytes { write(pipe.writeEnd, $0.baseAddress, $0.count) } }
        close(pipe.writeEnd)
        return await found
    }

    private static func all(_ reader: PipeLineReader, _ channel: any Channel) async -> [PipeLineReader.Next] {
        var all: [PipeLineReader.Next] = []
        while true {
            all.append(await reader.next(channel))
            if case .line = all.last { continue }
            return all
        }
    }

    private func line(_ text: String) -> PipeLineReader.Next { .line(ByteBuffer(string: text)) }

    @Test func `come one by one, however they were written`() async throws {
        #expect(try await lines([]) == [.end])
        #expect(try await lines([Array("a\nb\n".utf8)]) == [line("a"), line("b"), .end])
        #expect(try await lines(Array("ab\n\ncd".utf8).map { [$0] }) == [line("ab"), line(""), line("cd"), .end])
    }

    @Test func `are bounded`() async throws {
        let longest = [UInt8](repeating: 120, count: 100)
        #expect(try await lines([longest, [10]]) == [line(String(repeating: "x", count: 100)), .end])
        #expect(try await lines([Array("a\n".utf8), longest, [120]]) == [line("a"), .tooLong])
        #expect(try await lines([longest + [120, 10] + Array("b\n".utf8)]) == [.tooLong])
    }

    @Test func `are not read before they are asked for`() async throws {
        let pipe = try OutputPipe()
        let (reader, channel) = try await PipeLineReader.attach(
            pipe.readEnd, maximumLine: 1000, on: MultiThreadedEventLoopGroup.singleton.any())
        _ = fcntl(pipe.writeEnd, F_SETFL, O_NONBLOCK)
        let block = [UInt8](repeating: UInt8(ascii: "\n"), count: 65_536)
        var written = 0
        for _ in 0..<100 { written += max(0, block.withUnsafeBytes { write(pipe.writeEnd, $0.baseAddress, $0.count) }) }
        #expect(written <= 1 << 17, "the pipe is full and its writer waits: \(written)")
        #expect(await reader.next(channel) == line(""))
        close(pipe.writeEnd)
        channel.close(promise: nil)
    }
}

/// Answers of a name server, one after the other.
final class Answers: Sendable {
    private let rest: Mutex<[[String]]>
    private let count = Mutex(0)

    init(_ answers: [[String]]) { rest = Mutex(answers) }

    var asked: Int { count.withLock { $0 } }

    func next() -> [IPAddress] {
        count.withLock { $0 += 1 }
        let texts = rest.withLock { $0.isEmpty ? [] : $0.removeFirst() }
        return texts.compactMap { IPAddress($0) }
    }
}
