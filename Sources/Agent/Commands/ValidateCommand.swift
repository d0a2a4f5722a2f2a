// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Core
import Glibc

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// Judges commands without running them, one JSON object per line: for tests, and for trying a policy.
struct ValidateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "validate", abstract: "Judge commands from standard input without running them.",
        shouldDisplay: false)

    @Flag(help: "Read and write one JSON object per line.")
    var jsonl = false

    func validate() throws {
        if !jsonl { throw ValidationError("give --jsonl") }
    }

    func run() throws {
        var judge = LineJudge()
        var lines = LineReader()
        while let line = lines.next() {
            var answer = Array(judge.answer(line))
            answer.append(UInt8(ascii: "\n"))
            guard Self.write(answer) else { throw ExitCode.failure }
        }
    }

    private static func write(_ bytes: [UInt8]) -> Bool {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(STDOUT_FILENO, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return false }
            rest = rest.dropFirst(count)
        }
        return true
    }
}

/// Lines of standard input as bytes, each as long as it is.
private struct LineReader {
    private var buffer: [UInt8] = []
    private var start = 0
    private var isAtEnd = false

    mutating func next() -> [UInt8]? {
        var searched = start
        while true {
            if let end = buffer[searched...].firstIndex(of: UInt8(ascii: "\n")) {
                defer { start = end + 1 }
                return Array(buffer[start..<end])
            }
            searched = buffer.count
            if isAtEnd {
                guard start < buffer.count else { return nil }
                defer { start = buffer.count }
                return Array(buffer[start...])
            }
            if start > 0 {
                buffer.removeFirst(start)
                searched -= start
                start = 0
            }
            fill()
        }
    }

    private mutating func fill() {
        let chunk = [UInt8](unsafeUninitializedCapacity: 65_536) { space, count in
            count = max(0, read(STDIN_FILENO, space.baseAddress, space.count))
        }
        if chunk.isEmpty { isAtEnd = true } else { buffer += chunk }
    }
}

/// Answers one line after the other; a line that cannot be read is refused.
private struct LineJudge {
    private struct Request: Decodable {
        var id: JSONValue?
        var mode: String
        var command: String
    }

    private struct Answer: Encodable {
        var id: JSONValue?
        var verdict = GuardVerdict.Decision.deny
        var rule = "V0"
        var message: String?
        var position: Int?
        var commands: [String]?
        var mode: GuardMode?
        var policy: String?
        var error: DeployError?
    }

    private let encoder: JSONEncoder = {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.withoutEscapingSlashes, .sortedKeys]
        return encoder
    }()
    private var guards: [String: CommandGuard] = [:]

    mutating func answer(_ line: [UInt8]) -> Data {
        var answer = Answer()
        do {
            try JSONLimits.check(line)
            let request = try JSONDecoder().decode(Request.self, from: Data(line))
            answer.id = request.id
            let verdict = try commandGuard(request.mode).judge(TaskSpec(command: request.command))
            answer.verdict = verdict.verdict
            answer.rule = verdict.rule
            answer.message = verdict.message
            answer.position = verdict.position
            answer.commands = verdict.commands
            answer.mode = verdict.mode
            answer.policy = verdict.policy
        } catch {
            answer.error = DeployError(wrapping: error)
        }
        return (try? encoder.encode(answer)) ?? Data(#"{"error":{"code":"internal"},"verdict":"deny"}"#.utf8)
    }

    /// The guard of a mode, or of a mode, a colon and its list of `allow` expressions in JSON.
    private mutating func commandGuard(_ text: String) throws -> CommandGuard {
        if let known = guards[text] { return known }
        let parts = text.split(separator: ":", maxSplits: 1)
        guard let mode = parts.first.flatMap({ GuardMode(rawValue: String($0)) }) else {
            throw DeployError(.invalidArgument, "mode '\(text.prefix(64))' is not known")
        }
        var policy = GuardPolicy(mode: mode)
        if parts.count == 2 { policy.allow = try JSONDecoder().decode([String].self, from: Data(parts[1].utf8)) }
        let made = try CommandGuard(policy)
        if guards.count > 64 { guards = [:] }
        guards[text] = made
        return made
    }
}
