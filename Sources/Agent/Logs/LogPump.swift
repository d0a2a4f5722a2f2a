// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import NIOCore
import Synchronization

/// Turns the raw output of one task into chunks in its spool: without secrets, batched, numbered, compressed, within the
/// task's budget.
///
/// The first bytes after a quiet moment go out at once, so that a reader sees them within about a millisecond; bytes
/// that follow closely are gathered for up to 50 ms or 64 KiB. Outputs keep the order in which they were read.
final class LogPump: Sendable {
    private let spool: LogSpool
    private let store: SpoolStore
    private let loop: any EventLoop
    private let onAppend: @Sendable () -> Void
    private let state: Mutex<State>

    /// How long bytes may be gathered.
    static let gathering: TimeAmount = .milliseconds(50)
    /// How long the end of a task waits for a disk that takes no more bytes.
    private static let patience: Duration = .seconds(60)

    private struct Run {
        var stream: LogStream
        var at: Timestamp
        var bytes: ByteBuffer
    }

    private struct State {
        let compressor = ChunkCompressor()
        var budget: LogBudget
        let redaction: Redaction?
        var redactors: [LogStream: OutputRedactor] = [:]
        var received = NIODeadline.uptimeNanoseconds(0)
        var pauseIsAwaited = false
        var runs: [Run] = []
        var flushed = NIODeadline.uptimeNanoseconds(0)
        var timerIsSet = false
        var diskError: DeployError?
        var isAbandoned = false
    }

    /// - Parameters:
    ///   - spool: Where chunks go.
    ///   - store: The spool's store, for back-pressure.
    ///   - limit: Raw bytes of output that are kept.
    ///   - redaction: What must not be in the log; nil for nothing.
    ///   - loop: The loop that reads this task's output.
    ///   - onAppend: Called after chunks were appended.
    init(
        spool: LogSpool, store: SpoolStore, limit: Int64, redaction: Redaction? = nil, loop: any EventLoop,
        onAppend: @escaping @Sendable () -> Void
    ) {
        self.spool = spool
        self.store = store
        self.loop = loop
        self.onAppend = onAppend
        state = Mutex(State(budget: LogBudget(limit: limit), redaction: redaction))
    }

    /// The loop that reads this task's output: one for all its outputs, so that their order is kept.
    var eventLoop: any EventLoop { loop }

    /// Takes some output. Whole chunks are written at once, the rest by ``settle()`` or the timer.
    func accept(_ bytes: ByteBuffer, from stream: LogStream) {
        let appended = state.withLock { state in
            var bytes = bytes
            if let redaction = state.redaction {
                var redactor = state.redactors.removeValue(forKey: stream) ?? OutputRedactor(redaction)
                bytes = redactor.take(bytes)
                state.redactors[stream] = redactor
                state.received = .now()
            }
            return add(bytes, from: stream, &state)
        }
        if appended { onAppend() }
    }

    /// One output is at its end: nothing of it is held back any more.
    func finish(_ stream: LogStream) {
        let appended = state.withLock { state in
            let rest = state.redactors.removeValue(forKey: stream).map { redactor in
                var redactor = redactor
                return redactor.drain()
            }
            let added = rest.map { add($0, from: stream, &state) } ?? false
            return write(&state) || added
        }
        if appended { onAppend() }
    }

    private func add(_ bytes: ByteBuffer, from stream: LogStream, _ state: inout State) -> Bool {
        let kept = state.budget.admit(bytes)
        guard kept.readableBytes > 0 else { return false }
        if let last = state.runs.indices.last, state.runs[last].stream == stream {
            state.runs[last].bytes.writeImmutableBuffer(kept)
        } else {
            state.runs.append(Run(stream: stream, at: .now(), bytes: kept))
        }
        return write(&state, wholeChunksOnly: true)
    }

    /// Called when nothing more can be read right now: writes what is waiting if the task was quiet before.
    func settle() {
        awaitPause()
        let now = NIODeadline.now()
        let (appended, timer) = state.withLock { state -> (Bool, Bool) in
            guard !state.runs.isEmpty else { return (false, false) }
            if now - state.flushed >= Self.gathering { return (write(&state), false) }
            defer { state.timerIsSet = true }
            return (false, !state.timerIsSet)
        }
        if appended { onAppend() }
        if timer {
            loop.scheduleTask(in: Self.gathering) {
                self.state.withLock { $0.timerIsSet = false }
                self.flush()
            }
        }
    }

    /// When something is held back, passes it on once the program pauses.
    private func awaitPause() {
        let isNew = state.withLock { state in
            guard !state.pauseIsAwaited, state.redactors.values.contains(where: \.isHolding) else { return false }
            state.pauseIsAwaited = true
            return true
        }
        guard isNew else { return }
        loop.scheduleTask(in: Self.gathering) {
            let isPause = self.state.withLock { state in
                state.pauseIsAwaited = false
                guard NIODeadline.now() - state.received >= Self.gathering else { return false }
                for stream in Array(state.redactors.keys) {
                    if let rest = state.redactors[stream]?.drain() { _ = self.add(rest, from: stream, &state) }
                }
                return true
            }
            if isPause { self.flush() } else { self.awaitPause() }
        }
    }

    /// Writes all that is waiting.
    func flush() {
        let appended = state.withLock { write(&$0) }
        if appended { onAppend() }
    }

    /// Adds a line of our own to the log; it does not count against the budget.
    func note(_ text: String) {
        let appended = state.withLock { state in
            let text = state.redaction?.redact(text) ?? text
            state.runs.append(Run(stream: .system, at: .now(), bytes: ByteBuffer(string: text + "\n")))
            return write(&state)
        }
        if appended { onAppend() }
    }

    /// Whether nobody waits for the task's output any more: what is written now may be lost.
    var isAbandoned: Bool { state.withLock { $0.isAbandoned } }

    /// Makes those who wait for room go on; called once the task is being stopped.
    func abandon() { state.withLock { $0.isAbandoned = true } }

    /// Whether more output may be read now.
    var hasRoom: Bool { state.withLock { $0.diskError == nil } && !store.isFull }

    /// Calls back, on the loop, once more output may be read.
    func whenRoom(_ resume: @escaping @Sendable () -> Void) {
        if state.withLock({ $0.diskError == nil }) {
            store.whenRoom { self.loop.execute(resume) }
        } else {
            loop.scheduleTask(in: .milliseconds(500)) {
                self.flush()
                if self.hasRoom { resume() } else { self.whenRoom(resume) }
            }
        }
    }

    /// Writes the rest and the notice of what was cut; returns the number of chunks of the whole log and the cut bytes.
    ///
    /// A disk that takes no more bytes is waited for, for a minute; what then remains counts as cut.
    func finish() async -> (chunks: Int64, cut: Int64) {
        let deadline = ContinuousClock.now + Self.patience
        for stream in LogStream.allCases { finish(stream) }
        while state.withLock({ $0.diskError != nil }), ContinuousClock.now < deadline, !Task.isCancelled {
            try? await Task.sleep(for: .milliseconds(500))
            flush()
        }
        let notice = state.withLock { state in
            for run in state.runs { state.budget.lose(run.bytes.readableBytes) }
            state.runs = []
            return state.budget.notice
        }
        if let notice { note(notice) }
        return (spool.nextSeq, state.withLock { $0.budget.cut })
    }

    /// Moves runs into the spool, oldest first; true when anything was appended. What the disk refuses stays.
    private func write(_ state: inout State, wholeChunksOnly: Bool = false) -> Bool {
        var appended = false
        do throws(DeployError) {
            while var run = state.runs.first {
                let isLast = state.runs.count == 1
                while run.bytes.readableBytes > 0 {
                    let length = min(run.bytes.readableBytes, LogChunk.maximumRawLength)
                    if wholeChunksOnly, isLast, length < LogChunk.maximumRawLength { break }
                    guard let raw = run.bytes.getSlice(at: run.bytes.readerIndex, length: length) else { break }
                    let (codec, payload) = state.compressor.compress(raw)
                    try spool.append(run.stream, at: run.at, codec: codec, rawLength: length, payload: payload)
                    appended = true
                    run.bytes.moveReaderIndex(forwardBy: length)
                    run.at = .now()
                    state.runs[0] = run
                }
                if run.bytes.readableBytes > 0 { break }
                state.runs.removeFirst()
            }
            state.diskError = nil
        } catch {
            state.diskError = error
        }
        if appended { state.flushed = .now() }
        return appended
    }
}
