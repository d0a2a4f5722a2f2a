// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import NIOCore
import NIOPosix
import Synchronization

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// Asks a plugin what its tasks take.
struct PluginDescription: Sendable {
    /// What is started.
    let settings: PluginSettings

    /// How long the answer may take.
    var limit: Duration = .seconds(5)
    /// The most bytes of a schema.
    private static let maximumSchema = 65_536

    /// The plugin's schema, checked; its type is the plugin's name.
    ///
    /// Throws `start_failed` or `protocol_error` saying what is wrong with the plugin.
    func ask() async throws(DeployError) -> ExecutorSchema {
        guard let id = TaskID("describe-\(settings.name)") else { throw DeployError(.internal) }
        let reference = TaskReference(taskID: id, attempt: 1)
        let sample = OutputSample(on: MultiThreadedEventLoopGroup.singleton.any())
        let process = PluginProcess(
            command: try settings.command(for: reference), reference: reference, log: sample)
        let answer = OneShot<JSONValue>()
        let question: JSONValue = .object([
            "type": .string("describe"), "protocol": .integer(PluginMessage.version), "name": .string(settings.name),
        ])
        let limit = limit
        let end = await withTaskGroup(of: Result<PluginProcess.End, DeployError>?.self) { group in
            group.addTask {
                do throws(DeployError) {
                    return .success(
                        try await process.perform(question, grace: { .zero }, onStart: { _ in }) { message in
                            guard case .schema(let schema) = message else {
                                return .wrong("something else than a schema")
                            }
                            answer.fulfil(schema)
                            return .enough
                        })
                } catch { return .failure(error) }
            }
            group.addTask {
                try? await Task.sleep(for: limit)
                return nil
            }
            // The first that ends decides; the plugin's end is waited for all the same.
            let first = await group.next() ?? nil
            group.cancelAll()
            return first
        }
        guard let end else {
            throw problem("did not say within \(limit) what its tasks take", sample)
        }
        switch try end.get().talk {
        case .wrong(let what): throw problem("wrote \(what)", sample)
        case .silent: throw problem("ended without saying what its tasks take", sample)
        case .complete: return try schema(answer.current ?? .null)
        }
    }

    private func schema(_ value: JSONValue) throws(DeployError) -> ExecutorSchema {
        var members = value.objectValue ?? [:]
        members["type"] = .string(settings.name)
        members["summary"] = members["summary"] ?? .string("")
        members["parameters"] = members["parameters"] ?? .array([])
        let text = JSONValue.object(members).text
        guard text.utf8.count <= Self.maximumSchema else {
            throw DeployError(.protocolError, "its schema is over \(Self.maximumSchema) bytes")
        }
        do {
            let schema = try JSONDecoder().decode(ExecutorSchema.self, from: Data(text.utf8))
            try schema.validate()
            return schema
        } catch {
            throw DeployError(.protocolError, "its schema is not valid: \(DeployError(wrapping: error).message)")
        }
    }

    private func problem(_ what: String, _ sample: OutputSample) -> DeployError {
        let said = sample.text.split(whereSeparator: \.isNewline).last.map { "; it said: \($0.prefix(200))" } ?? ""
        return DeployError(.protocolError, "the program \(settings.program) \(what)\(said)")
    }
}

/// The beginning of what a program writes to its standard error.
private final class OutputSample: OutputSink {
    let eventLoop: any EventLoop
    private let bytes = Mutex(ByteBuffer())
    private static let limit = 4096

    init(on loop: any EventLoop) { eventLoop = loop }

    /// What there is of it.
    var text: String { bytes.withLock { String(buffer: $0) } }

    func accept(_ more: ByteBuffer, from stream: LogStream) {
        bytes.withLock { bytes in
            let length = min(more.readableBytes, Self.limit - bytes.readableBytes)
            if let part = more.getSlice(at: more.readerIndex, length: length) { bytes.writeImmutableBuffer(part) }
        }
    }

    func settle() {}
    func finish(_ stream: LogStream) {}
    var hasRoom: Bool { true }
    func whenRoom(_ resume: @escaping @Sendable () -> Void) { eventLoop.execute(resume) }
    func note(_ text: String) {}
}
