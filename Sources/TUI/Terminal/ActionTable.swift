// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

/// One row: an action, where it applies, its keys, and how it is called.
struct ActionRow: Sendable {
    var action: Action
    var context: KeyContext
    /// Key names as ``Key/sequence(_:)`` reads them; the first is the one shown.
    var keys: [String]
    /// One line for help and palette.
    var title: String
    /// One word for the hint line; nil keeps it out of there.
    var hint: String?
}

/// The one table of actions: keys, hint line, help and palette are all made from it.
enum ActionTable {
    static let rows: [ActionRow] = all + list + page + agents + runs + contexts + log + policies + files + form

    private static func row(
        _ action: Action, _ context: KeyContext, _ keys: [String], _ title: String, hint: String? = nil
    ) -> ActionRow {
        ActionRow(action: action, context: context, keys: keys, title: title, hint: hint)
    }

    private static let all: [ActionRow] = [
        row(.help, .all, ["?", "F1"], "Keys and commands of this screen", hint: "help"),
        row(.palette, .all, [":"], "Find a command by name", hint: "cmd"),
        row(.back, .all, ["q", "Esc"], "Back; at the first screen, leave"),
        row(.quit, .all, ["Q"], "Leave (tasks go on)"),
        row(.interrupt, .all, ["C-c"], "Stop what is going on here; again, ask to leave"),
        row(.suspend, .all, ["C-z"], "Back to the shell; fg returns"),
        row(.redraw, .all, ["C-l"], "Draw the screen anew"),
        row(.refresh, .all, ["C-r", "r"], "Ask the server again; offline, try to connect now"),
        row(.goAgents, .all, ["g a"], "Agents"),
        row(.goRuns, .all, ["g r", "g t"], "Runs and their tasks"),
        row(.goLog, .all, ["g l"], "The last log"),
        row(.goPolicies, .all, ["g p"], "Policies: what may run where"),
        row(.goAudit, .all, ["g u"], "Audit: who did what"),
        row(.goFiles, .all, ["g f"], "Files, and uploads of this console"),
        row(.goContexts, .all, ["g c"], "Contexts: servers and logins"),
        row(.newRun, .all, ["t"], "Compose a task, on the marked agents if any", hint: "new task"),
        row(.showCommand, .all, ["."], "Show the same as a command line"),
    ]

    private static let list: [ActionRow] = [
        row(.open, .list, ["Enter"], "Open", hint: "open"),
        row(.down, .list, ["j", "Down"], "Down"),
        row(.up, .list, ["k", "Up"], "Up"),
        row(.halfDown, .list, ["C-d"], "Half a page down"),
        row(.halfUp, .list, ["C-u"], "Half a page up"),
        row(.pageDown, .list, ["PgDn", "C-f"], "A page down"),
        row(.pageUp, .list, ["PgUp"], "A page up"),
        row(.top, .list, ["g g", "Home"], "First"),
        row(.bottom, .list, ["G", "End"], "Last"),
    ]

    private static let page: [ActionRow] = [
        row(.down, .page, ["j", "Down"], "Down", hint: "scroll"),
        row(.up, .page, ["k", "Up"], "Up"),
        row(.halfDown, .page, ["C-d"], "Half a page down"),
        row(.halfUp, .page, ["C-u"], "Half a page up"),
        row(.pageDown, .page, ["PgDn", "C-f", "Space"], "A page down"),
        row(.pageUp, .page, ["PgUp"], "A page up"),
        row(.top, .page, ["g g", "Home"], "To the top"),
        row(.bottom, .page, ["G", "End"], "To the end"),
    ]

    private static let policies: [ActionRow] = [
        row(.open, .policies, ["Enter"], "Show what the policy says", hint: "open"),
        row(.filter, .policies, ["/"], "Show only policies that contain a text", hint: "filter"),
        row(.open, .audit, ["Enter"], "Show the whole record", hint: "open"),
        row(
            .auditFilter, .audit, ["/"], "Ask for actor=, action=, agent=, task=, verdict=, since= or until=",
            hint: "filter"),
        row(.auditRefusals, .audit, ["D"], "Only refusals, or everything again", hint: "refusals"),
    ]

    private static let files: [ActionRow] = [
        row(.open, .files, ["Enter"], "Show all about the file", hint: "open"),
        row(.filter, .files, ["/"], "Show only files that contain a text", hint: "filter"),
        row(.uploadFile, .files, ["u"], "Upload a file of this host", hint: "upload"),
        row(.pushFile, .files, ["p"], "Bring the file to agents, the marked ones if any", hint: "push"),
        row(.removeFile, .files, ["x"], "Remove the file (asks)", hint: "remove"),
        row(.stopUpload, .files, ["X"], "Give an upload up (asks), or dismiss a failed one"),
    ]

    private static let agents: [ActionRow] = [
        row(.open, .agents, ["Enter"], "Compose a task for this agent, or the marked ones"),
        row(.filter, .agents, ["/"], "Show only agents that contain a text", hint: "filter"),
        row(.mark, .agents, ["Space"], "Mark and go down", hint: "mark"),
        row(.markAll, .agents, ["*"], "Mark all shown"),
        row(.unmark, .agents, ["U"], "Clear all marks"),
        row(.auditOf, .agents, ["a"], "Audit of the agent"),
    ]

    private static let runs: [ActionRow] = [
        row(.filter, .runs, ["/"], "Show only runs that contain a text", hint: "filter"),
        row(.filter, .run, ["/"], "Show only tasks that contain a text", hint: "filter"),
        row(.runLog, .runs, ["l"], "Logs of all tasks of the run, merged", hint: "logs"),
        row(.duplicateRun, .runs, ["d"], "Compose again from this run", hint: "again"),
        row(.cancelRun, .runs, ["X"], "Stop every unfinished task of the run (asks)", hint: "cancel"),
        row(.taskLog, .run, ["l"], "Log of the task", hint: "log"),
        row(.runLog, .run, ["L"], "Logs of all tasks, merged", hint: "all logs"),
        row(.duplicateRun, .run, ["d"], "Compose again from this run", hint: "again"),
        row(.auditOf, .run, ["a"], "Audit of the task"),
        row(.cancelTask, .run, ["x"], "Stop the task (asks)", hint: "cancel"),
        row(.cancelRun, .run, ["X"], "Stop every unfinished task (asks)", hint: "cancel all"),
    ]

    private static let contexts: [ActionRow] = [
        row(.open, .contexts, ["Enter"], "Connect with this context", hint: "connect")
    ]

    private static let log: [ActionRow] = [
        row(.logFollow, .log, ["f", "Space"], "Follow the end, or pause", hint: "follow"),
        row(.logSearch, .log, ["/"], "Search (either case unless a capital is typed)", hint: "search"),
        row(.logNext, .log, ["n"], "Next match", hint: "next"),
        row(.logPrevious, .log, ["N"], "Previous match"),
        row(.logWrap, .log, ["w", "z w"], "Wrap long lines, or cut them", hint: "wrap"),
        row(.logSave, .log, ["S"], "Save what is kept to a new file", hint: "save"),
        row(.logTimes, .log, ["z t"], "Show times"),
        row(.logNames, .log, ["z n"], "Show agent names"),
        row(.logColours, .log, ["z a"], "Show the output's own colours"),
        row(.down, .log, ["j", "Down"], "Down"),
        row(.up, .log, ["k", "Up"], "Up"),
        row(.halfDown, .log, ["C-d"], "Half a page down"),
        row(.halfUp, .log, ["C-u"], "Half a page up"),
        row(.pageDown, .log, ["PgDn", "C-f"], "A page down"),
        row(.pageUp, .log, ["PgUp"], "A page up"),
        row(.top, .log, ["g g", "Home"], "Oldest line kept"),
        row(.bottom, .log, ["G", "End"], "Newest line, and follow"),
        row(.logLeft, .log, ["h", "Left"], "Half a screen to the left"),
        row(.logRight, .log, ["l", "Right"], "Half a screen to the right"),
        row(.logHome, .log, ["0"], "Back to the first column"),
        row(.cancelTask, .log, ["X"], "Stop the task (asks)", hint: "cancel"),
    ]

    private static let form: [ActionRow] = [
        row(.nextField, .form, ["Tab", "C-n", "Down", "Enter"], "Next field", hint: "field"),
        row(.previousField, .form, ["S-Tab", "C-p", "Up"], "Previous field"),
        row(.newLine, .form, ["C-o"], "A new line, in a field that may have several"),
        row(.review, .form, ["C-r"], "Review: what will run where", hint: "review"),
        row(.verdicts, .form, ["C-t"], "Which rule decides, agent by agent", hint: "policy"),
        row(.back, .form, ["Esc"], "Back; what was typed is kept", hint: "back"),
        row(.help, .form, ["F1"], "Keys of this screen", hint: "help"),
        row(.interrupt, .form, ["C-c"], "Back"),
        row(.suspend, .form, ["C-z"], "Back to the shell; fg returns"),
        row(.redraw, .form, ["C-l"], "Draw the screen anew"),
    ]

    /// The rows of a chain of contexts, the most particular first; an action appears once.
    static func rows(in chain: [KeyContext]) -> [ActionRow] {
        var seen: Set<Action> = []
        return chain.flatMap { context in rows.filter { $0.context == context } }.filter {
            seen.insert($0.action).inserted
        }
    }
}
