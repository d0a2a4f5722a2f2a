// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

/// Checks one chain and names what is wrong with it, record by record: the one judge of every side.
///
/// Take the lines in the order in which they are stored, then ``finish()``. Memory grows with the number of places where
/// the chain is not in order, not with its length.
public struct AuditVerifier: Sendable {
    /// Checkpoints to measure the chain by.
    public struct Evidence: Sendable {
        /// Those of the side that wrote the chain.
        public var own: [AuditCheckpoint]
        /// Those that others hold; who has the chain's disk cannot change them.
        public var held: [Held]
        /// The public key that the side signs with now, if known.
        public var key: String?

        /// Evidence; see the properties.
        public init(own: [AuditCheckpoint] = [], held: [Held] = [], key: String? = nil) {
            self.own = own
            self.held = held
            self.key = key
        }
    }

    /// Checkpoints that somebody else keeps.
    public struct Held: Sendable {
        /// Who keeps them, for people, such as `agent web-1`.
        public var by: String
        /// The checkpoints.
        public var checkpoints: [AuditCheckpoint]

        /// Checkpoints and their keeper.
        public init(by: String, _ checkpoints: [AuditCheckpoint]) {
            self.by = by
            self.checkpoints = checkpoints
        }
    }

    private let chain: String
    private let evidence: Evidence
    private let isPartial: Bool
    private let wanted: Set<Int64>

    private var order = AuditOrder()
    private var records: Int64 = 0
    private var last: AuditChain.Head?
    private var changed: Set<Int64> = []
    private var moved: Set<Int64> = []
    private var differing: [Int64: String] = [:]
    private var brokenLinks: [Int64] = []
    private var starts: [Int64: String] = [:]
    private var ends: [Int64: String] = [:]
    private var hashes: [Int64: String] = [:]

    /// The most findings of a report.
    private static let limit = 200

    /// - Parameters:
    ///   - chain: What the report calls it.
    ///   - evidence: Checkpoints to measure it by.
    ///   - isPartial: Whether records may be missing because only some were wanted.
    public init(chain: String, evidence: Evidence = Evidence(), isPartial: Bool = false) {
        self.chain = chain
        self.evidence = evidence
        self.isPartial = isPartial
        wanted = Set((evidence.own + evidence.held.flatMap(\.checkpoints)).map(\.seq))
    }

    /// Takes the next stored record.
    ///
    /// - Parameters:
    ///   - line: The record; nil for what cannot be read as one.
    ///   - difference: What is stored beside the record and does not agree with it, in words.
    ///   - key: The number under which it is stored, if that is another place than the record itself.
    public mutating func take(_ line: AuditLine?, difference: String? = nil, key: Int64? = nil) {
        guard let line else {
            order.unreadable()
            if let last { ends[last.seq] = last.hash }
            last = nil
            return
        }
        records += 1
        let seq = line.seq
        order.take(seq)
        if !line.isIntact { changed.insert(seq) }
        if let difference { differing[seq] = difference }
        if let key, key != seq { moved.insert(seq) }
        if wanted.contains(seq) { hashes[seq] = line.hash }
        if let last, last.seq == seq - 1 {
            if last.hash != line.prev { brokenLinks.append(seq) }
        } else {
            if let last { ends[last.seq] = last.hash }
            starts[seq] = line.prev
        }
        last = AuditChain.Head(seq: seq, hash: line.hash)
    }

    /// What was found.
    public mutating func finish() -> AuditChainReport {
        if let last { ends[last.seq] = last.hash }
        let order = order.result(fromFirst: !isPartial)
        var findings: [AuditFinding] = []
        judgeOrder(order, &findings)
        let (checks, confirmed) = judgeCheckpoints(order, &findings)
        judgeLinks(confirmed, &findings)
        findings += changed.sorted().map {
            AuditFinding(.changed, seq: $0, "record \($0) was changed: its content does not have its hash")
        }
        for (seq, what) in differing.sorted(by: { $0.key < $1.key }) where !changed.contains(seq) {
            findings.append(AuditFinding(.changed, seq: seq, "record \(seq) is stored with another \(what)"))
        }
        for seq in moved.subtracting(order.reordered).subtracting(changed).sorted() where differing[seq] == nil {
            findings.append(AuditFinding(.changed, seq: seq, "record \(seq) is stored with another seq"))
        }
        findings.sort { ($0.seq, $0.kind.rawValue) < ($1.seq, $1.kind.rawValue) }
        if findings.count > Self.limit, let kind = findings.last?.kind {
            let rest = findings.count - Self.limit
            let next = findings[Self.limit]
            findings.removeLast(rest)
            findings.append(AuditFinding(kind, seq: next.seq, "and \(rest) more findings from record \(next.seq) on"))
        }
        let head = order.highest.flatMap { highest in ends[highest].map { "\(highest) \($0)" } }
        return AuditChainReport(chain: chain, records: records, head: head, checkpoints: checks, findings: findings)
    }

    private func judgeOrder(_ order: AuditOrder.Result, _ findings: inout [AuditFinding]) {
        for seq in order.unreadable {
            findings.append(AuditFinding(.unreadable, seq: seq, "where record \(seq) belongs is no record"))
        }
        for seq in order.reordered.sorted() {
            findings.append(AuditFinding(.reordered, seq: seq, "record \(seq) is not in its place"))
        }
        for seq in order.repeated.sorted() {
            findings.append(AuditFinding(.reordered, seq: seq, "record \(seq) is there more than once"))
        }
        guard !isPartial else { return }
        for gap in order.missing { findings.append(Self.range(.deleted, gap, "missing")) }
    }

    private static func range(_ kind: AuditFinding.Kind, _ seqs: ClosedRange<Int64>, _ what: String) -> AuditFinding {
        seqs.count == 1
            ? AuditFinding(kind, seq: seqs.lowerBound, "record \(seqs.lowerBound) is \(what)")
            : AuditFinding(
                kind, seq: seqs.lowerBound, through: seqs.upperBound,
                "records \(seqs.lowerBound) to \(seqs.upperBound) are \(what)")
    }

    /// A record whose follower names another hash was changed and hashed again; unless a checkpoint has its hash, then
    /// the follower was.
    private func judgeLinks(_ confirmed: Set<Int64>, _ findings: inout [AuditFinding]) {
        var broken = brokenLinks
        for (seq, prev) in starts {
            let before = seq == 1 ? AuditChain.origin : ends[seq - 1]
            if let before, before != prev { broken.append(seq) }
        }
        var blamed: Set<Int64> = []
        for seq in broken.sorted() where !changed.contains(seq) && !changed.contains(seq - 1) {
            let culprit = seq == 1 || confirmed.contains(seq - 1) ? seq : seq - 1
            guard blamed.insert(culprit).inserted else { continue }
            let reason =
                culprit == seq
                ? "it does not name the hash of the record before" : "record \(seq) names another hash for it"
            findings.append(AuditFinding(.changed, seq: culprit, "record \(culprit) was changed: \(reason)"))
        }
    }

    // MARK: Checkpoints

    /// Judges the checkpoints; gives how many were checked, and the records whose hash one confirms.
    private func judgeCheckpoints(
        _ order: AuditOrder.Result, _ findings: inout [AuditFinding]
    ) -> (count: Int, confirmed: Set<Int64>) {
        let signed = Set((evidence.own + evidence.held.flatMap(\.checkpoints))).filter(\.isSigned)
        let trusted = trustedKey(signed)
        var checked: Set<AuditCheckpoint> = []
        var confirmed: Set<Int64> = []
        var proved: (seq: Int64, words: String)?
        var sources = [(words: "its own checkpoint", list: evidence.own)]
        sources += evidence.held.map { ("the checkpoint held by \($0.by)", $0.checkpoints) }
        for (words, list) in sources {
            var judge = SourceJudge(words: words, hashes: hashes, trusted: trusted)
            for point in list.sorted(by: { $0.seq < $1.seq }) {
                let isNew = checked.insert(point).inserted
                judge.take(point, isSigned: signed.contains(point), isNew: isNew)
            }
            findings += judge.findings
            confirmed.formUnion(judge.confirmed)
            if let last = judge.last, last.seq > proved?.seq ?? 0 { proved = (last.seq, "\(words) of \(last.ts)") }
        }
        judgeKeys(trusted, &findings)
        let reached = max(order.highest ?? 0, order.unreadable.max() ?? 0)
        if let proved, proved.seq > reached {
            let what = reached + 1 == proved.seq ? "record \(proved.seq) is" : "the records up to \(proved.seq) are"
            findings.append(
                AuditFinding(
                    .truncated, seq: reached, through: proved.seq,
                    "the chain ends with record \(reached), but \(proved.words) shows that \(what) gone"))
        }
        return (checked.count, confirmed)
    }

    /// The key that most keepers know; where they differ as often, one that others know, not the side's own word.
    private func trustedKey(_ signed: Set<AuditCheckpoint>) -> String? {
        var votes: [String: Int] = [:]
        for held in evidence.held {
            if let key = held.checkpoints.first(where: signed.contains)?.key { votes[key, default: 0] += 2 }
        }
        if let key = evidence.key ?? evidence.own.first?.key { votes[key, default: 0] += 1 }
        return votes.max { ($0.value, $0.key) < ($1.value, $1.key) }?.key
    }

    /// What is wrong with the checkpoints from one source.
    private struct SourceJudge {
        let words: String
        let hashes: [Int64: String]
        let trusted: String?
        var findings: [AuditFinding] = []
        var confirmed: Set<Int64> = []
        /// The last good one.
        var last: AuditCheckpoint?
        private var good: Int64 = 0
        private var isFailing = false
        private var keyIsNamed = false

        init(words: String, hashes: [Int64: String], trusted: String?) {
            self.words = words
            self.hashes = hashes
            self.trusted = trusted
        }

        mutating func take(_ point: AuditCheckpoint, isSigned: Bool, isNew: Bool) {
            guard isSigned else {
                return add(point, "\(words) of record \(point.seq) has a wrong signature")
            }
            guard point.key == trusted else {
                if !keyIsNamed {
                    add(point, "\(words) of record \(point.seq) is signed with another key than known before")
                }
                keyIsNamed = true
                return
            }
            last = point
            guard let hash = hashes[point.seq] else { return }
            if hash == point.head {
                confirmed.insert(point.seq)
                good = point.seq
                isFailing = false
            } else if !isFailing {
                // The same checkpoint from many sources is told once.
                isFailing = true
                guard isNew else { return }
                let what = good + 1 < point.seq ? "a record from \(good + 1) to \(point.seq)" : "it"
                add(
                    point,
                    "record \(point.seq) is not the one of \(words) of \(point.ts): \(what) was changed afterwards")
            }
        }

        private mutating func add(_ point: AuditCheckpoint, _ message: String) {
            findings.append(AuditFinding(.checkpoint, seq: point.seq, message))
        }
    }

    /// The key in use, and what others hold and is no longer here.
    private func judgeKeys(_ trusted: String?, _ findings: inout [AuditFinding]) {
        if let key = evidence.key, let trusted, key != trusted, evidence.own.last?.key != key {
            let seq = evidence.held.compactMap { $0.checkpoints.last?.seq }.max() ?? 0
            findings.append(AuditFinding(.checkpoint, seq: seq, "the key in use is not the one known before"))
        }
        let own = Set(evidence.own.map { "\($0.seq) \($0.head)" })
        let since = evidence.own.map(\.seq).min() ?? 0
        let held = evidence.held.flatMap(\.checkpoints).filter { $0.key == trusted && $0.seq >= since }
        let gone = Set(held.filter { !own.contains("\($0.seq) \($0.head)") }.map(\.seq)).sorted()
        guard let first = gone.first, let last = gone.last else { return }
        findings.append(
            AuditFinding(
                .checkpoint, seq: first, through: first == last ? nil : last,
                gone.count == 1
                    ? "the checkpoint of record \(first) that others hold is gone here"
                    : "\(gone.count) checkpoints that others hold are gone here, the first of record \(first)"))
    }
}
