// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import DequeModule
import Glibc
import Logging
import NIOCore
import ServiceLifecycle

/// The table of all tasks this agent answers for: admits, queues, runs, stops and forgets them.
actor TaskRunner: Service {
    /// What the runner needs to know.
    struct Settings: Sendable {
        /// Tasks at once; more wait in order.
        var maxConcurrency = 100
        /// From TERM to KILL, unless the task says otherwise.
        var grace: Duration = .seconds(10)
        /// Raw bytes of output kept per task, unless the task says otherwise.
        var logLimit: Int64 = 64 << 20
    }

    /// Where the runner keeps and sends what tasks produce.
    struct Parts: Sendable {
        var executors: ExecutorRegistry
        /// Decides before each start.
        var admission: TaskAdmission
        var journal: TaskJournal
        var audit: AuditLog
        var spools: SpoolStore
        var uplink: Uplink
        /// Loops that read output.
        var loops: any EventLoopGroup
        var logger: Logger
    }

    private enum Phase: Equatable {
        case queued
        case running
        case ended(String)
    }

    private struct Slot {
        let create: TaskCreate
        let spool: LogSpool
        let stop: StopRequest
        var phase: Phase
        var status: TaskStatusReport?
    }

    private let settings: Settings
    private let parts: Parts
    private let jobs: AsyncStream<TaskReference>
    private let jobsInput: AsyncStream<TaskReference>.Continuation
    private var slots: [TaskReference: Slot] = [:]
    private var settled: [TaskReference: (spool: LogSpool, state: String)] = [:]
    private var queue = TaskQueue()
    private var running = 0
    private var isStopping = false
    private var forgotten: Deque<TaskReference> = []

    /// How many finished attempts are remembered, so that a late duplicate is not run again.
    private static let forgottenLimit = 4096

    /// A runner; call ``recover()`` before ``run()``.
    init(_ settings: Settings, parts: Parts) {
        self.settings = settings
        self.parts = parts
        (jobs, jobsInput) = AsyncStream.makeStream()  // bounded by maxConcurrency: one element per taken slot
    }

    /// Runs tasks until the agent is stopped, and then until the last one has ended.
    func run() async {
        await withGracefulShutdownHandler {
            await withDiscardingTaskGroup { group in
                for await reference in jobs { group.addTask { await self.perform(reference) } }
            }
        } onGracefulShutdown: {
            Task { await self.stop() }
        }
    }

    /// Stops all tasks; those that wait are left to the Cloud, which sees that they never started.
    func stop() {
        isStopping = true
        for reference in queue.removeAll() {
            slots[reference] = nil
            parts.uplink.remove(reference)
        }
        for slot in slots.values where slot.phase == .running { slot.stop.request(.shutdown) }
        jobsInput.finish()
    }

    // MARK: What the Cloud asks

    /// Takes a task. One that is known is not run again: its present state is sent once more.
    ///
    /// Throws `unavailable` while stopping and `conflict` for an attempt whose end the Cloud has acknowledged.
    func submit(_ create: TaskCreate) throws(DeployError) {
        let reference = TaskReference(taskID: create.taskID, attempt: create.attempt)
        if repeatState(of: reference) { return }
        if isStopping { throw DeployError(.unavailable, "the agent is stopping") }
        guard create.attempt >= 1, create.attempt <= 1_000_000 else {
            throw DeployError(.invalidArgument, "data.attempt is not between 1 and 1000000")
        }
        if forgotten.contains(reference) {
            throw DeployError(.conflict, "task \(create.taskID) attempt \(create.attempt) has ended before")
        }
        let grace = create.grace.map(Self.grace) ?? settings.grace
        let slot = Slot(
            create: create, spool: LogSpool(reference, store: parts.spools), stop: StopRequest(grace: grace),
            phase: .queued)
        slots[reference] = slot
        parts.uplink.add(slot.spool)
        do throws(DeployError) {
            try create.spec.validate()
            try parts.executors.executor(for: create.type).schema.check(create.spec)
            try queue.append(reference, create)
        } catch {
            parts.logger.notice("task rejected", metadata: ["task": "\(create.taskID)", "reason": "\(error.message)"])
            end(reference, as: .rejected, TaskFailure(error.code, error.message))
            return
        }
        startNext()
        if slots[reference]?.phase == .queued { report(reference, "accepted") }
    }

    /// Stops a task; false when it is not known. Repeating it changes nothing but the grace.
    func cancel(_ cancel: TaskCancel) -> Bool {
        let reference = TaskReference(taskID: cancel.taskID, attempt: cancel.attempt)
        guard let slot = slots[reference], slot.phase != .queued else {
            guard let slot = slots[reference] else { return repeatState(of: reference) }
            queue.remove(reference, type: slot.create.type)
            end(reference, as: .canceled, TaskFailure(.canceled, "canceled before it was started"))
            return true
        }
        if slot.stop.reason == nil { parts.audit.note(.canceled(reference)) }
        slot.stop.request(.cancel, grace: cancel.grace.map(Self.grace))
        return true
    }

    /// The Cloud has committed a task's end: everything about it is deleted.
    func acknowledgeEnd(_ reference: TaskReference) {
        guard let (spool, _) = settled.removeValue(forKey: reference) else { return }
        parts.uplink.remove(reference)
        spool.remove()
        forgotten.append(reference)
        if forgotten.count > Self.forgottenLimit { forgotten.removeFirst() }
        do throws(DeployError) {
            try parts.journal.write(.forget(reference))
        } catch {
            parts.logger.error("journal not written", metadata: ["error": "\(error.message)"])
        }
    }

    /// Everything this agent still answers for, as a registration carries it.
    func journal() -> [AgentRegister.JournalEntry] {
        slots.map { reference, slot in
            AgentRegister.JournalEntry(
                taskID: reference.taskID, attempt: reference.attempt,
                state: slot.phase == .queued ? "accepted" : "running",
                nextSeq: slot.spool.nextSeq)
        }
            + settled.map { reference, end in
                AgentRegister.JournalEntry(
                    taskID: reference.taskID, attempt: reference.attempt, state: end.state, nextSeq: end.spool.nextSeq)
            }
    }

    /// Tasks running and waiting.
    var load: (running: Int, queued: Int) { (running, queue.count) }

    // MARK: Running

    private func startNext() {
        while !isStopping, running < settings.maxConcurrency,
            let reference = queue.next(limit: { parts.executors.limits(of: $0).maxConcurrency })
        {
            running += 1
            slots[reference]?.phase = .running
            jobsInput.yield(reference)
        }
    }

    private func perform(_ reference: TaskReference) async {
        guard let slot = slots[reference] else { return }
        let startedAt = Timestamp.now()
        do throws(DeployError) {
            let executor = try parts.executors.executor(for: slot.create.type)
            if let admission = await admission(for: slot, executor, reference) {
                async let recorded = parts.audit.outcome(
                    .task("task.start", slot.create, verdict: admission.verdict))
                try await parts.journal.start(reference, at: startedAt)
                try await recorded.get()
                let task = RunningTask(
                    context: context(for: slot, reference, admission, startedAt: startedAt),
                    executor: executor, stop: slot.stop, startedAt: startedAt, verdict: admission.verdict)
                let completion = await task.perform()
                parts.audit.note(.ended(completion))
                settle(completion)
            }
        } catch {
            parts.logger.error(
                "task not started", metadata: ["task": "\(reference.taskID)", "reason": "\(error.message)"])
            end(reference, as: .rejected, TaskFailure(error.code, error.message))
        }
        running -= 1
        queue.ended(slot.create.type)
        startNext()
    }

    /// What the task is started with; nil when it was refused, and has ended by that.
    private func admission(
        for slot: Slot, _ executor: any Executor, _ reference: TaskReference
    ) async -> TaskAdmission.Admission? {
        do throws(TaskAdmission.Refusal) {
            return try await parts.admission.admit(slot.create.spec, for: executor)
        } catch {
            parts.logger.notice(
                "task refused", metadata: ["task": "\(reference.taskID)", "reason": "\(error.failure.message)"])
            end(reference, as: .rejected, error.failure, verdict: error.verdict)
            return nil
        }
    }

    private func context(
        for slot: Slot, _ reference: TaskReference, _ admission: TaskAdmission.Admission, startedAt: Timestamp
    ) -> ExecutionContext {
        let uplink = parts.uplink
        let log = LogPump(
            spool: slot.spool, store: parts.spools, limit: slot.create.logLimit ?? settings.logLimit,
            redaction: admission.secrets.redaction, loop: parts.loops.next(), onAppend: { uplink.logGrew(reference) })
        let stop = slot.stop
        var spec = slot.create.spec
        if let most = parts.executors.limits(of: spec.type).timeout { spec.timeout = min(spec.timeout ?? most, most) }
        return ExecutionContext(
            reference: reference, spec: spec, parameters: admission.parameters, log: log,
            secrets: admission.secrets,
            grace: { stop.grace },
            onStart: { pid in await self.started(reference, pid: pid, at: startedAt) },
            progress: ProgressMeter { uplink.report($0, of: reference) },
            runID: slot.create.runID, actor: slot.create.actor)
    }

    private func started(_ reference: TaskReference, pid: pid_t?, at: Timestamp) {
        report(reference, "running", pid: pid, startedAt: at)
        guard let pid, let mark = Recovery.mark(of: pid) else { return }
        do throws(DeployError) {
            try parts.journal.write(.spawned(reference, mark))
        } catch {
            parts.logger.error("journal not written", metadata: ["error": "\(error.message)"])
        }
    }

    private func report(_ reference: TaskReference, _ state: String, pid: pid_t? = nil, startedAt: Timestamp? = nil) {
        let status = TaskStatusReport(
            taskID: reference.taskID, attempt: reference.attempt, state: state, pid: pid.map(Int.init),
            startedAt: startedAt)
        slots[reference]?.status = status
        parts.uplink.report(status)
    }

    /// Sends a known task's state again; false when the task is not known.
    private func repeatState(of reference: TaskReference) -> Bool {
        if settled[reference] != nil {
            parts.uplink.repeatCompletion(reference)
            return true
        }
        guard let slot = slots[reference] else { return false }
        if let status = slot.status { parts.uplink.report(status) }
        return true
    }

    // MARK: Ending

    /// Ends a task that did not run.
    private func end(
        _ reference: TaskReference, as state: TaskState, _ failure: TaskFailure, verdict: GuardVerdict? = nil
    ) {
        var completion = TaskCompletion(taskID: reference.taskID, attempt: reference.attempt, status: state.rawValue)
        completion.error = failure
        completion.result = verdict?.result
        completion.finishedAt = .now()
        completion.logSeq = slots[reference]?.spool.nextSeq ?? 0
        if state == .rejected, let create = slots[reference]?.create {
            parts.audit.note(.refused(create, failure, verdict: verdict))
        } else {
            parts.audit.note(.ended(completion))
        }
        settle(completion)
    }

    private func settle(_ completion: TaskCompletion) {
        let reference = TaskReference(taskID: completion.taskID, attempt: completion.attempt ?? 1)
        guard let slot = slots.removeValue(forKey: reference) else { return }
        do throws(DeployError) {
            try parts.journal.write(.end(completion))
        } catch {
            parts.logger.error("journal not written", metadata: ["error": "\(error.message)"])
        }
        settled[reference] = (slot.spool, completion.status)
        parts.uplink.complete(completion)
    }

    private static func grace(_ seconds: Double) -> Duration { .seconds(min(max(seconds, 0), 3600)) }
}

extension TaskRunner {
    /// Takes up what a former process of this agent left: owed ends are sent again, what it was running is ended and
    /// reported interrupted.
    func recover() async {
        let entries = parts.journal.entries
        for reference in parts.spools.leftBehind() where entries[reference] == nil { parts.spools.discard(reference) }
        await withTaskGroup(of: (TaskReference, Int).self) { group in
            for (reference, entry) in entries where entry.completion == nil {
                group.addTask { (reference, await Recovery.endProcesses(of: reference, entry)) }
            }
            for await (reference, count) in group { interrupt(reference, entries[reference], processes: count) }
        }
        for (reference, entry) in entries {
            guard let completion = entry.completion, let spool = recoveredSpool(reference) else { continue }
            settled[reference] = (spool, completion.status)
            parts.uplink.add(spool)
            parts.uplink.complete(completion)
        }
    }

    private func interrupt(_ reference: TaskReference, _ entry: JournalEntry?, processes: Int) {
        guard let spool = recoveredSpool(reference) else { return }
        let note = ByteBuffer(string: Recovery.note(processes: processes) + "\n")
        do throws(DeployError) {
            try spool.append(.system, at: .now(), codec: .identity, rawLength: note.readableBytes, payload: note)
        } catch {
            parts.logger.error("spool not written", metadata: ["error": "\(error.message)"])
        }
        var completion = TaskCompletion(
            taskID: reference.taskID, attempt: reference.attempt, status: TaskState.interrupted.rawValue)
        completion.error = TaskFailure(.interrupted, "the agent stopped while it ran; whether it finished is unknown")
        completion.startedAt = entry?.startedAt
        completion.finishedAt = .now()
        completion.logSeq = spool.nextSeq
        do throws(DeployError) {
            try parts.journal.write(.end(completion))
        } catch {
            parts.logger.error("journal not written", metadata: ["error": "\(error.message)"])
        }
        parts.audit.note(.ended(completion))
        parts.logger.notice("task interrupted", metadata: ["task": "\(reference.taskID)", "processes": "\(processes)"])
        settled[reference] = (spool, completion.status)
        parts.uplink.add(spool)
        parts.uplink.complete(completion)
    }

    private func recoveredSpool(_ reference: TaskReference) -> LogSpool? {
        do throws(DeployError) {
            return try LogSpool(recovering: reference, store: parts.spools)
        } catch {
            parts.logger.error(
                "spool not read", metadata: ["task": "\(reference.taskID)", "error": "\(error.message)"])
            return nil
        }
    }
}
