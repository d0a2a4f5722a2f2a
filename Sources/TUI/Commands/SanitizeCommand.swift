// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Core
import NIOCore

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif
#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// `tiangong sanitize`: the filter that everything foreign passes on its way to a terminal, for scripts and for tests.
struct SanitizeCommand: DeployCommand {
    static let configuration = CommandConfiguration(
        commandName: "sanitize", abstract: "Make text from standard input safe to show.", shouldDisplay: false)

    @OptionGroup var globals: GlobalOptions

    @Flag(help: "One JSON object a line: chunks_b64 in, text_b64 out.")
    var jsonl = false

    private struct Request: Decodable {
        var id: String
        var chunks: [String]

        enum CodingKeys: String, CodingKey {
            case id
            case chunks = "chunks_b64"
        }
    }

    private struct Answer: Encodable {
        var id: String
        var text: String

        enum CodingKeys: String, CodingKey {
            case id
            case text = "text_b64"
        }
    }

    func perform(_ session: CommandSession) async throws(DeployError) -> Int32 {
        try jsonl ? Self.answerLines() : Self.filter()
        return 0
    }

    /// Standard input to standard output, as it comes.
    private static func filter() throws(DeployError) {
        var text = TerminalText(color: false)
        while let block = try read() {
            try RawOutput.writeNow(text.feed(ByteBuffer(bytes: block)), to: 1)
        }
        try RawOutput.writeNow(text.finish(), to: 1)
    }

    private static func answerLines() throws(DeployError) {
        var pending: [UInt8] = []
        while let block = try read() {
            var rest = block[...]
            while let end = rest.firstIndex(of: 0x0A) {
                pending.append(contentsOf: rest[..<end])
                try RawOutput.writeNow(ByteBuffer(string: try answer(pending) + "\n"), to: 1)
                pending.removeAll(keepingCapacity: true)
                rest = rest[(end + 1)...]
            }
            pending.append(contentsOf: rest)
            guard pending.count <= 64 << 20 else { throw DeployError(.tooLarge, "a line is over 64 MiB") }
        }
    }

    /// The answer to one line. Throws `invalid_argument` when it is no request.
    static func answer(_ line: [UInt8]) throws(DeployError) -> String {
        let request: Request
        do {
            request = try JSONDecoder().decode(Request.self, from: Data(line))
        } catch {
            throw DeployError(wrapping: error)
        }
        var text = TerminalText(color: false)
        var shown = ByteBuffer()
        for chunk in request.chunks {
            guard let bytes = Base64.decode(chunk) else { throw DeployError(.invalidArgument, "not base64: \(chunk)") }
            shown.writeImmutableBuffer(text.feed(ByteBuffer(bytes: bytes)))
        }
        shown.writeImmutableBuffer(text.finish())
        return try JSONPrinter.line(Answer(id: request.id, text: Base64.encode(shown.readableBytesView)))
    }

    private static func read() throws(DeployError) -> [UInt8]? {
        var block = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = block.withUnsafeMutableBytes { Glibc.read(0, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw DeployError(.internal, "standard input cannot be read") }
            return count == 0 ? nil : Array(block[..<count])
        }
    }
}
