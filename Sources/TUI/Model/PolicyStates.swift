// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// The policies of the Cloud.
struct PoliciesState: Equatable, Sendable {
    private(set) var items: [PolicyRecord] = []
    var list = ListState()
    /// The list has arrived at least once.
    var isKnown = false
    /// Why the list could not be had.
    var failure: String?
    /// The policy whose page is open, by name, and how far it is scrolled.
    var open: String?
    var offset = 0

    var shown: [PolicyRecord] {
        let filter = list.filter.lowercased()
        guard !filter.isEmpty else { return items }
        return items.filter { record in
            [record.name, record.policy.mode.rawValue, ScopeText.text(record.scope), record.actor]
                .contains { $0.lowercased().contains(filter) }
        }
    }

    var selected: PolicyRecord? {
        let rows = shown
        return rows.indices.contains(list.cursor) ? rows[list.cursor] : nil
    }

    /// The policy whose page is open.
    var opened: PolicyRecord? { items.first { $0.name == open } }

    /// Takes the list anew; the cursor stays on the policy it was on.
    mutating func replace(_ policies: [PolicyRecord]) {
        let kept = selected?.name
        items = policies.sorted { $0.name < $1.name }
        isKnown = true
        failure = nil
        if let kept, let row = shown.firstIndex(where: { $0.name == kept }) { list.cursor = row }
    }
}

/// What the policies say about the command being written, agent by agent.
struct PolicyCheck: Equatable, Sendable {
    /// Milliseconds without a change before the Cloud is asked.
    static let pause: Int64 = 300

    /// What should be known; nil while the form is not complete.
    private(set) var wanted: PolicyTest?
    /// When the clock first saw it.
    private var since: Timestamp?
    private var asked: PolicyTest?
    private var answered: PolicyTest?
    private(set) var agents: [AgentVerdict] = []
    /// Why the last question was not answered.
    private(set) var failure: String?
    var list = ListState()

    /// The answer to what is wanted; nil while it is on its way, or cannot be had.
    var verdicts: [AgentVerdict]? { wanted != nil && answered == wanted ? agents : nil }
    var refused: [AgentVerdict] { (verdicts ?? []).filter(\.isRefusal) }
    /// A question is about to be asked.
    var isPending: Bool { wanted != nil && wanted != asked }

    /// Something else is wanted from now on.
    mutating func want(_ test: PolicyTest?) {
        guard test != wanted else { return }
        wanted = test
        since = nil
        failure = nil
        asked = test == answered ? test : nil
    }

    /// The question to ask now: once nothing has changed for a while, or `atOnce`.
    mutating func due(_ now: Timestamp, atOnce: Bool = false) -> PolicyTest? {
        guard isPending, let wanted else { return nil }
        guard let since else {
            self.since = now
            return atOnce ? ask(wanted) : nil
        }
        return atOnce || now.milliseconds - since.milliseconds >= Self.pause ? ask(wanted) : nil
    }

    private mutating func ask(_ test: PolicyTest) -> PolicyTest {
        asked = test
        failure = nil
        return test
    }

    mutating func take(_ test: PolicyTest, _ verdicts: [AgentVerdict]) {
        guard test == wanted else { return }
        answered = test
        agents = verdicts.sorted { ($0.isRefusal ? 0 : 1, $0.agent) < ($1.isRefusal ? 0 : 1, $1.agent) }
        failure = nil
    }

    mutating func fail(_ test: PolicyTest, _ error: DeployError) {
        if test == wanted { failure = error.message }
    }

    /// The link is new: what was asked over the old one is asked again, and old answers count no more.
    mutating func forgetAnswers() {
        asked = nil
        answered = nil
        agents = []
        since = nil
        failure = nil
    }

    /// What is known, in one line.
    func summary(isLive: Bool) -> (text: String, style: Style) {
        guard wanted != nil else { return ("", .dim) }
        if let failure { return ("policy: not known: \(failure)", .warning) }
        guard let verdicts else {
            return isLive ? ("policy: asking", .dim) : ("policy: not known while offline", .warning)
        }
        let refused = refused
        guard let first = refused.first else {
            let noted = verdicts.count { $0.verdict.verdict == .deny }
            let open = verdicts.count { !$0.knowsAgentFile }
            var text = "policy: allowed on all \(verdicts.count)"
            if noted > 0 { text += ", on \(noted) only because of mode audit" }
            if open > 0 { text += ", \(open) agent\(open == 1 ? " has" : "s have") not told their own" }
            return (text, noted > 0 ? .warning : .good)
        }
        let rule = first.agentFileError == nil ? "\(first.verdict.rule), \(first.decidedBy)" : "its own policy file"
        return ("policy: REFUSED on \(refused.count) of \(verdicts.count) (\(first.agent): \(rule))", .bad)
    }
}
