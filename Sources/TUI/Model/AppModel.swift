// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// The pages. Overlays lie on top of them.
enum ScreenID: Equatable, Sendable {
    case contexts, agents, runs, run, compose, review, log
    case policies, policy, verdicts, audit, auditRecord
    case files, push, pushReview
}

/// What lies on top of the page and takes all keys.
enum Overlay: Equatable, Sendable {
    case help(offset: Int)
    case palette(PaletteState)
    case confirm(ConfirmState)
    case prompt(PromptState)
    case text(title: String, lines: [String])
}

/// How the link to the server stands.
enum Connection: Equatable, Sendable {
    case none
    case connecting
    case live
    case offline(reason: String, attempt: Int, retry: Timestamp?, since: Timestamp)
    case loginNeeded(String)

    var isLive: Bool { self == .live }
}

/// A line of text at the bottom, for some seconds.
struct Message: Equatable, Sendable {
    var text: String
    var style: Style
    var until: Timestamp
}

/// A question on the bottom line.
struct PromptState: Equatable, Sendable {
    enum Purpose: Equatable, Sendable {
        case filter, search, save, audit
        case upload
        /// Where the file of this path belongs.
        case uploadEnvironment(String)
    }

    var purpose: Purpose
    var field: TextField

    var label: String {
        switch purpose {
        case .filter: "filter: "
        case .search: "search: "
        case .save: "save to: "
        case .audit: "audit of: "
        case .upload: "upload: "
        case .uploadEnvironment: "belongs to: "
        }
    }
}

/// Everything the screens show. Changed only by ``AppUpdate``; drawn by the screens, which change nothing.
struct AppModel {
    var size = Size(columns: 80, rows: 24)
    var now: Timestamp
    /// Seconds to add to UTC for the operator's clock.
    var utcOffset: Int64 = 0

    var connection = Connection.none
    var contexts = ContextList()
    var contextList = ListState()
    var server: ServerInfo?
    /// When the lists were last known to be true.
    var freshAt: Timestamp?

    var stack: [ScreenID] = [.agents]
    var agents = AgentsState()
    var executors = ExecutorsState()
    var runs = RunsState()
    var run: RunState?
    var compose = ComposeState()
    var log: LogScreenState?
    var policies = PoliciesState()
    var check = PolicyCheck()
    var audit = AuditState()
    var files = FilesState()
    /// The push being written; kept until it was made.
    var pushed: PushState?

    var overlay: Overlay?
    var message: Message?
    /// Keys of a sequence that is not complete.
    var pending: [Key] = []
    var lastInterrupt: Timestamp?
    /// The console is to end.
    var ended = false
    /// Effects that wait for the next tick, so that a storm of changes asks the server once.
    var runsAreOld = false
    var runIsOld = false

    init(now: Timestamp) { self.now = now }

    var screen: ScreenID { stack.last ?? .agents }

    /// Where a screen draws: between the header and the hint line.
    var body: Rect { Rect(0, 2, size.columns, max(0, size.rows - 4)) }

    /// Milliseconds from one tick of the clock to the next.
    var tickInterval: Int64 {
        if log?.searching != nil { return 5 }
        return connection.isLive && check.isPending && isComposing ? 100 : 1000
    }

    /// Something is written that policies are asked about.
    private var isComposing: Bool { [.compose, .review, .push, .pushReview].contains(screen) }

    /// Smaller terminals get a page of counters only.
    var isTooSmall: Bool { size.columns < 60 || size.rows < 16 }

    /// Where keys are looked up, the most particular first.
    var keyChain: [KeyContext] {
        switch screen {
        case .contexts: [.contexts, .list, .all]
        case .agents: [.agents, .list, .all]
        case .runs: [.runs, .list, .all]
        case .run: [.run, .list, .all]
        case .log: [.log, .all]
        case .policies: [.policies, .list, .all]
        case .verdicts: [.list, .all]
        case .audit: [.audit, .list, .all]
        case .policy, .auditRecord: [.page, .all]
        case .files: [.files, .list, .all]
        case .compose, .review, .push, .pushReview: [.form]
        }
    }

    mutating func push(_ screen: ScreenID) {
        stack.removeAll { $0 == screen }
        stack.append(screen)
    }

    mutating func say(_ text: String, _ style: Style = .plain, seconds: Int64 = 6) {
        message = Message(text: text, style: style, until: now.adding(milliseconds: seconds * 1000))
    }
}
