// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

/// Everything an operator can do with a key or from the palette. The raw value is its name there.
enum Action: String, CaseIterable, Sendable {
    case help, palette, back, quit, interrupt, suspend, redraw, refresh
    case goAgents = "go agents"
    case goRuns = "go runs"
    case goContexts = "go contexts"
    case goLog = "go log"
    case goPolicies = "go policies"
    case goAudit = "go audit"
    case goFiles = "go files"
    case showCommand = "show command"

    case up, down, top, bottom
    case halfUp = "half up"
    case halfDown = "half down"
    case pageUp = "page up"
    case pageDown = "page down"
    case open
    case filter
    case mark, unmark
    case markAll = "mark all"

    case newRun = "run new"
    case duplicateRun = "run duplicate"
    case cancelRun = "run cancel"
    case cancelTask = "task cancel"
    case taskLog = "task logs"
    case runLog = "run logs"

    case auditFilter = "audit filter"
    case auditRefusals = "audit refusals"
    case auditOf = "audit of this"

    case uploadFile = "file upload"
    case pushFile = "file push"
    case removeFile = "file remove"
    case stopUpload = "upload stop"

    case logFollow = "log follow"
    case logSearch = "log search"
    case logNext = "log next"
    case logPrevious = "log previous"
    case logWrap = "log wrap"
    case logColours = "log colours"
    case logTimes = "log times"
    case logNames = "log names"
    case logSave = "log save"
    case logLeft = "log left"
    case logRight = "log right"
    case logHome = "log home"

    case nextField = "field next"
    case previousField = "field previous"
    case newLine = "line new"
    case review = "review"
    case verdicts = "policy test"
}

/// Where keys are looked up. A screen has a chain of these, the most particular first.
enum KeyContext: String, CaseIterable, Sendable {
    case all, list, page, agents, runs, run, contexts, log, policies, audit, files, form

    /// The heading in the help.
    var title: String {
        switch self {
        case .all: "Everywhere"
        case .list: "Lists"
        case .agents: "Agents"
        case .runs: "Runs"
        case .run: "One run"
        case .contexts: "Contexts"
        case .log: "Log"
        case .page: "Text"
        case .policies: "Policies"
        case .audit: "Audit"
        case .files: "Files"
        case .form: "Forms"
        }
    }
}
