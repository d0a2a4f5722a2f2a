// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

@testable import Core

/// A chain as it is stored: lines that a test can tamper with.
private struct Chain {
    var records: [AuditRecord]

    init(_ count: Int) {
        records = []
        for number in 1...count {
            var record = AuditRecord(action: "task.start", actor: "olga")
            record.command = "echo \(number) \"quoted\" \\ 天工 \u{1B}[31m\n\u{202E}"
            record.env = "test"
            record.detail = ["count": .integer(Int64(number)), "part": .number(0.25), "whole": .number(3)]
            append(record)
        }
    }

    mutating func append(_ record: AuditRecord) {
        records.append(AuditChain.link(record, after: head))
    }

    var head: AuditChain.Head {
        records.last.map { AuditChain.Head(seq: $0.seq, hash: $0.hash) } ?? AuditChain.Head()
    }

    func head(at seq: Int) -> AuditChain.Head {
        AuditChain.Head(seq: Int64(seq), hash: records[seq - 1].hash)
    }

    var lines: [String] { records.map(AuditChain.line) }

    /// Changes a record and hashes everything from there anew, as somebody with the disk can.
    mutating func restamp(from seq: Int, _ change: (inout AuditRecord) -> Void) {
        change(&records[seq - 1])
        for index in (seq - 1)..<records.count {
            let before = index == 0 ? AuditChain.Head() : head(at: index)
            records[index] = AuditChain.link(records[index], after: before)
        }
    }
}

private func verify(_ lines: [String], _ evidence: AuditVerifier.Evidence = .init()) -> AuditChainReport {
    var verifier = AuditVerifier(chain: "test", evidence: evidence)
    for line in lines { verifier.take(AuditLine(line)) }
    return verifier.finish()
}

private func named(_ report: AuditChainReport, _ kind: AuditFinding.Kind) -> [Int64] {
    report.findings.filter { $0.kind == kind }.map(\.seq)
}

private func signer() throws -> AuditSigner {
    let path = NSTemporaryDirectory() + "/audit-key-\(UUID().uuidString)"
    defer { try? FileManager.default.removeItem(atPath: path) }
    return try AuditSigner(path: path)
}

@Suite struct `The audit's form` {
    @Test func `is one harmless line that reads back to the same bytes`() throws {
        let chain = Chain(3)
        for (record, line) in zip(chain.records, chain.lines) {
            #expect(!line.contains("\n") && !line.contains("\u{1B}") && !line.unicodeScalars.contains("\u{202E}"))
            let read = try JSONDecoder().decode(AuditRecord.self, from: Data(line.utf8))
            #expect(AuditChain.line(read) == line)
            #expect(AuditLine(line)?.isIntact == true)
            #expect(AuditLine(line)?.text("command") == record.command)
        }
        #expect(chain.records[0].prev == String(repeating: "0", count: 64))
        #expect(chain.records[1].prev == chain.records[0].hash)
    }

    @Test func `is what anybody can compute`() {
        var record = AuditRecord(action: "sign_in", actor: "olga")
        record.ts = Timestamp(milliseconds: 0)
        record.detail = ["b": .array([.null, .bool(true), .number(1e300)]), "a": .number(-0.5), "A": .number(2)]
        let linked = AuditChain.link(record, after: AuditChain.Head())
        let preimage =
            #"{"action":"sign_in","actor":"olga","detail":{"A":2,"a":-0.5,"b":[null,true,1e+300]},"prev":""#
            + String(repeating: "0", count: 64) + #"","seq":1,"ts":"1970-01-01T00:00:00.000Z","v":1}"#
        #expect(linked.hash == AuditChain.digest(of: Array(preimage.utf8)))
    }

    @Test func `tells what is no record`() {
        for text in [
            "", "{}", "[]", "null", "{\"seq\":1}", "{\"seq\":0,\"hash\":\"\",\"prev\":\"\"}", "{\"seq\":1", "\u{0}",
            "{\"seq\":1,\"seq\":1,\"hash\":\"\",\"prev\":\"\"}", "{\"seq\":1.5,\"hash\":\"\",\"prev\":\"\"}",
            "{\"a\":\"\\", "{\"a\":[[[", String(repeating: "[", count: 100_000),
            "{\"seq\":1,\"hash\":2,\"prev\":\"\"}",
        ] { #expect(AuditLine(text) == nil, "\(text.prefix(40))") }
    }
}

@Suite struct `Verifying a chain` {
    @Test func `finds nothing in a whole one`() throws {
        let chain = Chain(50)
        let key = try signer()
        let points = try [10, 30, 50].map { try key.checkpoint(chain.head(at: $0)) }
        let report = verify(
            chain.lines, .init(own: points, held: [.init(by: "the Cloud", points)], key: key.key))
        #expect(report.isWhole, "\(report.findings)")
        #expect(report.records == 50 && report.checkpoints == 3)
        #expect(report.head == "50 \(chain.records[49].hash)")
        #expect(verify([]).isWhole)
    }

    @Test func `names a record whose content was changed, whatever was changed`() {
        let chain = Chain(20)
        let line = chain.lines[6]
        for edited in [
            line.replacingOccurrences(of: "olga", with: "otto"),
            line.replacingOccurrences(of: "echo 7", with: "echo 8"),
            line.replacingOccurrences(of: "\"env\":\"test\",", with: ""),
            line.replacingOccurrences(of: ",", with: ", "),
            String(line.dropLast()) + ",\"more\":1}",
            line.replacingOccurrences(of: "\"hash\":\"", with: "\"hash\":\"f").replacingOccurrences(
                of: "fff", with: "ff"),
        ] {
            var lines = chain.lines
            lines[6] = edited
            let report = verify(lines)
            #expect(report.findings.map(\.kind) == [.changed], "\(edited): \(report.findings)")
            #expect(named(report, .changed) == [7])
        }
    }

    @Test func `names a record that was changed and hashed again`() {
        var chain = Chain(20)
        var record = chain.records[6]
        record.command = "rm -rf /"
        chain.records[6] = AuditChain.link(record, after: chain.head(at: 6))
        #expect(verify(chain.lines).findings.map(\.seq) == [7])
        #expect(named(verify(chain.lines), .changed) == [7])
    }

    @Test func `finds by checkpoints what was stamped anew to the end`() throws {
        let honest = Chain(40)
        let key = try signer()
        let points = try [10, 20, 30].map { try key.checkpoint(honest.head(at: $0)) }
        var chain = honest
        chain.restamp(from: 15) { $0.actor = "somebody" }
        #expect(verify(chain.lines).isWhole, "without checkpoints nobody can tell")
        let report = verify(chain.lines, .init(own: points, key: key.key))
        #expect(report.findings.map(\.kind) == [.checkpoint])
        #expect(report.findings.first?.seq == 20)
        #expect(report.findings.first?.message.contains("from 11 to 20") == true)
        // The key is on the same disk; what others hold is not.
        let forged = try [10, 20, 30].map { try key.checkpoint(chain.head(at: $0)) }
        #expect(verify(chain.lines, .init(own: forged, key: key.key)).isWhole)
        let held = verify(chain.lines, .init(own: forged, held: [.init(by: "the Cloud", points)], key: key.key))
        #expect(named(held, .checkpoint).contains(20), "\(held.findings)")
    }

    @Test func `names the last record it has when the rest was cut off`() throws {
        let chain = Chain(40)
        let key = try signer()
        let points = try [20, 38].map { try key.checkpoint(chain.head(at: $0)) }
        let cut = Array(chain.lines.prefix(25))
        #expect(verify(cut).isWhole, "without checkpoints nobody can tell")
        let report = verify(cut, .init(own: [points[0]], held: [.init(by: "the Cloud", points)], key: key.key))
        #expect(named(report, .truncated) == [25])
        #expect(report.findings.first { $0.kind == .truncated }?.through == 38)
        #expect(named(report, .checkpoint) == [38], "the newer checkpoint is gone with them")
        #expect(named(verify([], .init(held: [.init(by: "the Cloud", points)])), .truncated) == [0])
    }

    @Test func `finds a replaced key, a forged and a removed checkpoint`() throws {
        let chain = Chain(30)
        let (key, other) = (try signer(), try signer())
        let point = try key.checkpoint(chain.head(at: 20))
        let replaced = verify(
            chain.lines,
            .init(own: [try other.checkpoint(chain.head(at: 20))], held: [.init(by: "a", [point])], key: other.key))
        #expect(named(replaced, .checkpoint) == [20], "\(replaced.findings)")
        var forged = point
        forged.seq = 25
        #expect(named(verify(chain.lines, .init(own: [forged], key: key.key)), .checkpoint) == [25])
        let removed = verify(
            chain.lines, .init(own: [point], held: [.init(by: "a", [point, try key.checkpoint(chain.head(at: 25))])]))
        #expect(named(removed, .checkpoint) == [25])
        // One liar among many does not make the others wrong.
        let liar = AuditVerifier.Held(by: "agent liar", [try other.checkpoint(AuditChain.Head(seq: 99, hash: "00"))])
        let outvoted = verify(
            chain.lines,
            .init(own: [point], held: [liar, .init(by: "a", [point]), .init(by: "b", [point])], key: key.key))
        #expect(outvoted.findings.map(\.kind) == [.checkpoint] && outvoted.findings[0].message.contains("liar"))
    }

    @Test func `names what is stored beside a record and differs`() {
        let chain = Chain(3)
        var verifier = AuditVerifier(chain: "test")
        for (index, line) in chain.lines.enumerated() {
            verifier.take(
                AuditLine(line), difference: index == 1 ? "actor" : nil, key: index == 2 ? 7 : Int64(index + 1))
        }
        #expect(named(verifier.finish(), .changed) == [2, 3])
    }

    @Test func `of some records only does not miss the others`() {
        let chain = Chain(30)
        var verifier = AuditVerifier(chain: "file", isPartial: true)
        for index in [3, 4, 9, 20] { verifier.take(AuditLine(chain.lines[index])) }
        #expect(verifier.finish().isWhole)
    }
}

/// Many random kinds of tampering, each of which must be named with the records it hit and no others.
@Suite struct `Random tampering` {
    private static let size = 120

    @Test(arguments: 0..<150) func `is named exactly`(seed: Int) throws {
        var random = SplitMix(state: UInt64(seed) &* 7919 &+ 17)
        let chain = Chain(Self.size)
        let key = try signer()
        let points = try [40, 80, Self.size].map { try key.checkpoint(chain.head(at: $0)) }
        var lines = chain.lines.map { Optional($0) }
        var expected: Set<Expectation> = []
        // Each act has its own stretch of records, so that none hides another; from the end, so that none moves the next.
        for stretch in stride(from: 2, to: Self.size - 24, by: 24).reversed() where random.below(3) > 0 {
            let seq = stretch + random.below(8)
            switch random.below(7) {
            case 0:
                lines[seq - 1] = lines[seq - 1]?.replacingOccurrences(of: "olga", with: "eve")
                expected.insert(Expectation(.changed, seq))
            case 1:
                var record = chain.records[seq - 1]
                record.command = "other"
                lines[seq - 1] = AuditChain.line(AuditChain.link(record, after: chain.head(at: seq - 1)))
                expected.insert(Expectation(.changed, seq))
                if [40, 80, Self.size].contains(seq) { expected.insert(Expectation(.checkpoint, seq)) }
            case 2:
                let count = 1 + random.below(5)
                for offset in 0..<count { lines[seq - 1 + offset] = nil }
                expected.insert(Expectation(.deleted, seq, through: count == 1 ? nil : seq + count - 1))
            case 3:
                let other = seq + 1 + random.below(12)
                lines.swapAt(seq - 1, other - 1)
                expected.insert(Expectation(.reordered, seq))
                expected.insert(Expectation(.reordered, other))
            case 4:
                let target = seq + 3 + random.below(10)
                let line = lines.remove(at: seq - 1)
                lines.insert(line, at: target - 1)
                expected.insert(Expectation(.reordered, seq))
            case 5:
                lines[seq - 1] = "{\"seq\":\(seq),\"torn"
                expected.insert(Expectation(.unreadable, seq))
            default:
                lines.insert(lines[seq - 1], at: seq - 1 + random.below(3))
                expected.insert(Expectation(.reordered, seq))
            }
        }
        if random.below(3) == 0 {
            let kept = Self.size - 1 - random.below(8)
            while let last = lines.last, last.flatMap({ AuditLine($0)?.seq }) ?? 0 > Int64(kept) { lines.removeLast() }
            expected.insert(Expectation(.truncated, kept, through: Self.size))
        }
        let report = verify(
            lines.compactMap { $0 }, .init(own: points, held: [.init(by: "the Cloud", points)], key: key.key))
        let found = Set(report.findings.map { Expectation($0.kind, Int($0.seq), through: $0.through.map { Int($0) }) })
        #expect(found == expected, "seed \(seed): \(report.findings)")
    }

    private struct Expectation: Hashable {
        let kind: AuditFinding.Kind
        let seq: Int
        let through: Int?

        init(_ kind: AuditFinding.Kind, _ seq: Int, through: Int? = nil) {
            self.kind = kind
            self.seq = seq
            self.through = through
        }
    }

    private struct SplitMix {
        var state: UInt64
        mutating func below(_ limit: Int) -> Int {
            state &+= 0x9E37_79B9_7F4A_7C15
            var value = state
            value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
            value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
            return Int((value ^ (value >> 31)) % UInt64(limit))
        }
    }
}
