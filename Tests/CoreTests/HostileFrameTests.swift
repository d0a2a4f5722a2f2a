// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import NIOCore
import Testing

/// What cannot be read gives one clear error and never a trap.
@Suite struct HostileFrameTests {
    static func nested(_ depth: Int) -> String {
        #"{"type":"agent_heartbeat","data":"# + String(repeating: #"{"a":"#, count: depth - 1) + "1"
            + String(repeating: "}", count: depth)
    }

    @Test(arguments: [
        "", "null", "[]", "1", "\"x\"", "{", "{'type':'task_log'}", #"{"type":null,"data":{}}"#, #"{"data":{}}"#,
        #"{"type":"agent_register"}"#, #"{"type":"agent_register","data":"x"}"#,
        #"{"type":"agent_register","data":{"agent_id":""}}"#,
        #"{"type":"agent_register","data":{"max_concurrency":1e400}}"#,
        #"{"type":"agent_register","data":{"max_concurrency":99999999999999999999}}"#,
        #"{"type":"agent_register","data":{"max_concurrency":-1}}"#,
        #"{"type":"agent_register","data":{"protocol":99}}"#,
        #"{"type":"task_log","data":{"task_id":{"a":1},"seq":1,"content":"x"}}"#,
        #"{"type":"task_log","data":{"task_id":"abcd"}}"#,
        #"{"type":"task_complete","data":{"task_id":"abcd"}}"#,
        #"{"type":"task_complete","data":{"task_id":"../x","status":"failed"}}"#,
        #"{"type":"agent_status","data":{}}"#, #"{"type":"task_create","data":{}}"#,
        #"{"type":"\#(String(repeating: "x", count: 65))","data":{}}"#,
    ])
    func `a malformed agent frame is refused`(text: String) {
        #expect(throws: DeployError.self) { try AgentMessage.decode(.text(ByteBuffer(string: text))) }
    }

    @Test func `32 levels of JSON are read and 33 are not`() throws {
        _ = try AgentMessage.decode(.text(ByteBuffer(string: Self.nested(32))))
        let error = #expect(throws: DeployError.self) {
            try AgentMessage.decode(.text(ByteBuffer(string: Self.nested(33))))
        }
        #expect(error?.code == .tooLarge)
    }

    @Test(arguments: [100, 400, 100_000]) func `deep arrays do not reach the decoder`(depth: Int) {
        let text = String(repeating: "[", count: depth)
        let error = #expect(throws: DeployError.self) { try AgentMessage.decode(.text(ByteBuffer(string: text))) }
        #expect(error?.code == .tooLarge)
    }

    @Test func `brackets inside strings do not count as depth`() throws {
        try JSONLimits.check(#"{"a":"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\"[[[["}"#.utf8)
    }

    @Test(arguments: [[], [0, 0], [0, 0, 0, 5, 123], [255, 255, 255, 255, 1], [0, 2, 0, 0]] as [[UInt8]])
    func `a binary frame with a bad header length is refused`(bytes: [UInt8]) {
        let error = #expect(throws: DeployError.self) { try AgentMessage.decode(.binary(ByteBuffer(bytes: bytes))) }
        #expect(error?.code == .protocolError)
    }

    @Test func `an unknown type is unsupported and says which`() {
        let error = #expect(throws: DeployError.self) {
            try AgentMessage.decode(.text(ByteBuffer(string: #"{"type":"agent.register","data":{}}"#)))
        }
        #expect(error?.code == .unsupported)
        #expect(error?.message.contains("agent.register") == true)
    }

    @Test func `an operator's request without id is refused, and one with id is answered to it`() {
        let nameless = #expect(throws: OperatorFrameError.self) {
            try OperatorRequest.decode(.text(ByteBuffer(string: #"{"type":"server_info","data":{}}"#)))
        }
        #expect(nameless?.id == nil)
        let unknown = #expect(throws: OperatorFrameError.self) {
            try OperatorRequest.decode(.text(ByteBuffer(string: #"{"type":"nope","id":"7","data":{}}"#)))
        }
        #expect(unknown?.id == "7")
        #expect(unknown?.error.code == .unsupported)
    }

    @Test func `a foreign agent's plain completion is understood`() throws {
        let text =
            #"{"type":"task_complete","data":{"task_id":"abcd","status":"success","result":"done","error":"","timestamp":1}}"#
        guard case .complete(let completion) = try AgentMessage.decode(.text(ByteBuffer(string: text))).message else {
            Issue.record("not a completion")
            return
        }
        #expect(completion.endState == .succeeded)
        #expect(completion.result == ["value": .string("done")])
        #expect(completion.error == nil)
    }

    @Test(arguments: [
        (-1, 0, LogCodec.identity, 3), (0, -1, .identity, 3), (0, 0, .identity, 4), (0, 0, .zstd, 65_537),
        (0, 0, .zstd, -1),
    ])
    func `a log chunk with numbers out of range is refused`(seq: Int64, offset: Int64, codec: LogCodec, raw: Int) {
        let header = TaskLogHeader(
            taskID: .random(), attempt: 1,
            chunk: LogChunk(
                seq: seq, stream: .stdout, offset: offset, at: .now(), codec: codec, rawLength: raw,
                payload: ByteBuffer()))
        #expect(throws: DeployError.self) { try header.chunk(payload: ByteBuffer(bytes: [1, 2, 3])) }
    }
}
