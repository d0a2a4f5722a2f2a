// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Glibc
import NIOCore
import Synchronization

/// One run of a plugin's program: what is said to it, what it says, and that nothing of it is left behind, whatever it does.
struct PluginProcess: Sendable {
    /// What the listener makes of a message.
    enum Heard: Sendable {
        /// Go on.
        case more
        /// That was the last that matters.
        case enough
        /// It should not have said that; in words.
        case wrong(String)
    }

    /// How the talk ended.
    enum Talk: Sendable, Equatable {
        /// It said all it should.
        case complete
        /// It said what it should not; in words.
        case wrong(String)
        /// Its output ended.
        case silent
    }

    /// How the run ended.
    struct End: Sendable {
        var talk: Talk
        var process: ProcessRunner.End
    }

    /// What is started.
    let command: ProcessCommand
    /// For which task.
    let reference: TaskReference
    /// Where its standard error goes.
    let log: any OutputSink

    /// How long a plugin that has said all may take to end, and one that is thrown out from TERM to KILL.
    private static let patience: Duration = .seconds(2)
    /// How long its output may be held open by somebody else once it has ended.
    private static let outputPatience: Duration = .seconds(1)

    private enum Step: Sendable {
        case process(Result<ProcessRunner.End, DeployError>)
        case talk(Talk)
        case canceled(Bool)
        case outputIsHeld
        case lingers
        case mustStop
    }

    /// Runs it. Being canceled says so to the plugin, then ends it in good order, and returns as usual.
    ///
    /// - Parameters:
    ///   - first: What it is told.
    ///   - grace: How long all may take once it is canceled.
    ///   - onStart: Called with the process id.
    ///   - hear: Takes each message, one after the other.
    /// - Throws: `start_failed` or `unavailable` when it could not be started.
    func perform(
        _ first: JSONValue, grace: @escaping @Sendable () -> Duration,
        onStart: @escaping @Sendable (pid_t) async -> Void,
        hear: @escaping @Sendable (PluginMessage) async -> Heard
    ) async throws(DeployError) -> End {
        let dialogue = try await ProcessDialogue(on: log.eventLoop, maximumLine: PluginMessage.maximumLine)
        dialogue.send(ByteBuffer(string: first.text))
        let cancel = OneShot<Bool>()
        // Not canceled with us, so that it can end the plugin in order; it is always awaited.
        let work = Task { await supervise(dialogue, cancel, grace, onStart, hear) }
        let result = await withTaskCancellationHandler {
            await work.value
        } onCancel: {
            cancel.fulfil(true)
        }
        return try result.get()
    }

    private func supervise(
        _ dialogue: ProcessDialogue, _ cancel: OneShot<Bool>, _ grace: @escaping @Sendable () -> Duration,
        _ onStart: @escaping @Sendable (pid_t) async -> Void, _ hear: @escaping @Sendable (PluginMessage) async -> Heard
    ) async -> Result<End, DeployError> {
        let stop = OneShot<Bool>()
        let clock = StopClock(grace: grace)
        let runner = ProcessRunner(command: command, reference: reference, log: log, dialogue: dialogue)
        var process: Result<ProcessRunner.End, DeployError>?
        var talk: Talk?
        await withTaskGroup(of: Step.self) { group in
            group.addTask { .process(await runner.run(until: stop, grace: { clock.rest }, onStart: onStart)) }
            group.addTask { .talk(await listen(dialogue, hear)) }
            group.addTask { .canceled(await cancel.value) }
            func later(_ delay: Duration, _ step: Step) {
                group.addTask {
                    try? await Task.sleep(for: delay)
                    return step
                }
            }
            for await step in group {
                switch step {
                case .process(let end):
                    process = end
                    cancel.fulfil(false)
                    if talk == nil { later(Self.outputPatience, .outputIsHeld) }
                case .talk(let end):
                    talk = end
                    dialogue.closeInput()
                    dialogue.closeOutput()
                    if case .wrong = end {
                        clock.hurry(Self.patience)
                        stop.fulfil(true)
                    } else if process == nil {
                        later(Self.patience, .lingers)
                    }
                case .canceled(true) where process == nil:
                    clock.begin()
                    dialogue.send(ByteBuffer(string: #"{"type":"cancel"}"#))
                    later(min(clock.rest / 4, Self.patience), .mustStop)
                case .outputIsHeld where talk == nil: dialogue.closeOutput()
                case .lingers where process == nil:
                    log.note("tiangong: the plugin has said all and does not end; ended")
                    clock.hurry(Self.patience)
                    stop.fulfil(true)
                case .mustStop: stop.fulfil(true)
                case .canceled, .outputIsHeld, .lingers: break
                }
                if process != nil, talk != nil { group.cancelAll() }
            }
        }
        return (process ?? .failure(DeployError(.internal))).map { End(talk: talk ?? .silent, process: $0) }
    }

    private func listen(
        _ dialogue: ProcessDialogue, _ hear: @Sendable (PluginMessage) async -> Heard
    ) async -> Talk {
        while true {
            switch await dialogue.next() {
            case .end: return .silent
            case .tooLong: return .wrong("a line over \(PluginMessage.maximumLine) bytes")
            case .line(let line):
                if line.readableBytesView.allSatisfy({ $0 == 0x20 || $0 == 0x0D || $0 == 0x09 }) { continue }
                do throws(DeployError) {
                    switch await hear(try PluginMessage(line)) {
                    case .more: break
                    case .enough: return .complete
                    case .wrong(let what): return .wrong(what)
                    }
                } catch {
                    return .wrong(error.message)
                }
            }
        }
    }
}

/// How long is left until a plugin that is being stopped is killed.
private final class StopClock: Sendable {
    private let grace: @Sendable () -> Duration
    private let state = Mutex<(began: ContinuousClock.Instant?, most: Duration?)>((nil, nil))

    init(grace: @escaping @Sendable () -> Duration) { self.grace = grace }

    /// The time counts from now on.
    func begin() { state.withLock { $0.began = $0.began ?? .now } }

    /// No more than this from now on.
    func hurry(_ most: Duration) { state.withLock { $0.most = most } }

    /// What is left.
    var rest: Duration {
        let (began, most) = state.withLock { $0 }
        let whole = grace()
        let left = max(.zero, began.map { whole - (ContinuousClock.now - $0) } ?? whole)
        return most.map { min($0, left) } ?? left
    }
}
