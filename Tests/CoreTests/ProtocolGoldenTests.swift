// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import NIOCore
import TestSupport
import Testing

/// The wire, message by message, as bytes in files: a change of any of them is a change of the protocol.
@Suite struct ProtocolGoldenTests {
    static let task = TaskID("8f3c1a0000000000") ?? .random()
    static let run = RunID("r000000000000000") ?? .random()
    static let agent = AgentID("a000000000000000") ?? .random()
    static let time = Timestamp(milliseconds: 1_795_000_000_125)

    static var register: AgentRegister {
        var register = AgentRegister()
        register.protocol = 1
        register.hostname = "node-01"
        register.ip = "10.0.0.1"
        register.labels = ["role": "demo"]
        register.executors = ["shell"]
        register.maxConcurrency = 100
        register.journal = [.init(taskID: task, attempt: 1, state: "running", nextSeq: 7)]
        return register
    }

    static var completion: TaskCompletion {
        var completion = TaskCompletion(taskID: task, attempt: 1, status: "failed")
        completion.exitCode = 7
        completion.startedAt = time
        completion.finishedAt = time.adding(milliseconds: 1500)
        completion.logSeq = 3
        return completion
    }

    static let chunk = LogChunk(
        seq: 2, stream: .stderr, offset: 10, at: time, codec: .identity, rawLength: 5,
        payload: ByteBuffer(bytes: [0x00, 0xff, 0x0a, 0x1b, 0x41]))

    static let agentFrames: [(String, WireFrame)] = [
        ("agent_register", AgentMessage.register(register).frame(id: "1")),
        (
            "task_status",
            AgentMessage.status(TaskStatusReport(taskID: task, attempt: 1, state: "running", pid: 42)).frame()
        ),
        (
            "task_log",
            AgentMessage.log(TaskLogHeader(taskID: task, attempt: 1, chunk: chunk), payload: chunk.payload).frame()
        ),
        ("task_complete", AgentMessage.complete(completion).frame()),
        ("agent_heartbeat", AgentMessage.heartbeat(AgentHeartbeat()).frame()),
    ]

    static let cloudFrames: [(String, WireFrame)] = [
        (
            "agent_status",
            CloudMessage.status(
                AgentStatusReply(
                    agentID: agent, status: "registered", epoch: 3, heartbeatInterval: 30,
                    expect: [.init(taskID: task, attempt: 1, nextSeq: 4)])
            ).frame(id: "1")
        ),
        (
            "task_create",
            CloudMessage.create(
                TaskCreate(
                    taskID: task, runID: run, attempt: 1, epoch: 3,
                    spec: TaskSpec(command: "echo 天工", params: ["cwd": .string("/tmp")], timeout: 60), actor: "ops")
            ).frame()
        ),
        ("task_log_ack", CloudMessage.logAck(TaskLogAck(taskID: task, attempt: 1, seq: 2)).frame()),
        ("task_complete_ack", CloudMessage.completeAck(TaskReference(taskID: task, attempt: 1)).frame()),
        ("task_cancel", CloudMessage.cancel(TaskCancel(taskID: task, attempt: 1, grace: 5)).frame()),
        ("error", CloudMessage.error(DeployError(.notFound, "no such task", hint: "look again")).frame(id: "9")),
    ]

    /// Text as it is; a binary frame with its three parts.
    static func readable(_ frame: WireFrame) -> String {
        switch frame {
        case .text(let buffer): return "text\n\(String(buffer: buffer))\n"
        case .binary(var buffer):
            let length = Int(buffer.readInteger(as: UInt32.self) ?? 0)
            let header = buffer.readString(length: length) ?? ""
            let payload = buffer.readableBytesView.map { String($0, radix: 16) }.joined(separator: " ")
            return "binary \(length)\n\(header)\n\(payload)\n"
        }
    }

    @Test(arguments: agentFrames.map(\.0)) func `an agent's frame is what its golden file says`(name: String) throws {
        let frame = try #require(Self.agentFrames.first { $0.0 == name }).1
        #expect(GoldenFile("messages/agent.\(name).txt").difference(from: Self.readable(frame)) == nil)
        let decoded = try AgentMessage.decode(frame)
        #expect(decoded.message.frame(id: decoded.id) == frame, "reading and writing again gives the same bytes")
    }

    @Test(arguments: cloudFrames.map(\.0)) func `a Cloud's frame is what its golden file says`(name: String) throws {
        let frame = try #require(Self.cloudFrames.first { $0.0 == name }).1
        #expect(GoldenFile("messages/cloud.\(name).txt").difference(from: Self.readable(frame)) == nil)
        let decoded = try CloudMessage.decode(frame)
        #expect(decoded.message.frame(id: decoded.id) == frame, "reading and writing again gives the same bytes")
    }

    @Test func `the error table is what its golden file says`() {
        let table = ErrorCode.allCases.map { "\($0.rawValue) \($0.httpStatus) \($0.exitStatus) \($0.summary)" }
        #expect(GoldenFile("errors.txt").difference(from: table.joined(separator: "\n") + "\n") == nil)
    }
}
