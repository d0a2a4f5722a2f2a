// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import NIOCore

/// What Elasticsearch says of a failure, in a sentence.
enum ElasticsearchFailure {
    /// Of an answer with a status of 400 and more.
    static func sentence(status: UInt, _ body: ByteBuffer) -> String {
        guard let node = try? JSONText.parse(ArraySlice(body.readableBytesView)) else {
            let text = String(buffer: body).split(whereSeparator: \.isWhitespace).joined(separator: " ")
            return text.isEmpty ? "HTTP \(status)" : "HTTP \(status): \(text.prefix(300))"
        }
        if let error = node["error"] { return "\(status) \(reason(error))" }
        return "HTTP \(status): \(node.compact.prefix(300))"
    }

    /// Of a member `error`: the root cause first, since what is around it says only that something failed.
    static func reason(_ error: JSONNode) -> String {
        if let text = error.text { return String(text.prefix(1000)) }
        let root = error["root_cause"]?.elements?.first ?? innermost(error)
        let type = root["type"]?.text ?? error["type"]?.text ?? "error"
        let text = root["reason"]?.text ?? error["reason"]?.text ?? "no reason given"
        var sentence = "\(type): \(text.prefix(1000))"
        if let outer = error["type"]?.text, outer != type { sentence += " (in \(outer))" }
        return sentence
    }

    private static func innermost(_ error: JSONNode) -> JSONNode {
        var error = error
        while let cause = error["caused_by"] { error = cause }
        return error
    }

    /// What went wrong although the answer has a status of 200; nil when nothing did.
    static func sentence(of answer: JSONNode) -> String? {
        if answer["timed_out"]?.isTrue == true { return "the server gave up before it was done: timed_out" }
        if let failures = answer["failures"]?.elements, let first = failures.first {
            let cause = first["cause"] ?? first["reason"] ?? first
            return "\(failures.count) failure\(failures.count == 1 ? "" : "s"), first \(reason(cause))"
        }
        if let shards = answer["_shards"], let failed = shards["failed"]?.value, failed > 0 {
            let cause = shards["failures"]?.elements?.first.map { ": \(reason($0["reason"] ?? $0))" } ?? ""
            return "\(number(failed)) of \(number(shards["total"]?.value ?? 0)) shards failed\(cause)"
        }
        if answer["acknowledged"] == .bool(false) { return "not all nodes have acknowledged it in time" }
        return nil
    }

    /// A whole number for people; what a server sends is not trusted to be one.
    static func number(_ value: Double) -> String { Int64(exactly: value.rounded()).map { "\($0)" } ?? "\(value)" }
}

extension JSONNode {
    /// A whole number, if it is one.
    var whole: Int64? { value.flatMap { Int64(exactly: $0.rounded()) } }
}
