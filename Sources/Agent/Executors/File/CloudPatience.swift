// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// Whether, and how long, to wait before the Cloud is asked again. A Cloud that is away is waited for as long as the task may
/// run; one that refuses is believed.
struct CloudPatience {
    private let context: ExecutionContext
    private var backoff = Backoff(base: .milliseconds(200), cap: .seconds(10))
    /// Failures since the last success, in all and of those that do not get better by waiting.
    private var failures = 0
    private var refusals = 0
    private var since: ContinuousClock.Instant?
    /// Whether the log says that it waits.
    private var isTold = false

    /// Refusals and answers without content after which it ends.
    private static let limit = 12
    /// How long a pause is that people need not know of.
    private static let unnoticed: Duration = .seconds(3)

    init(_ context: ExecutionContext) { self.context = context }

    /// The Cloud has given or taken something.
    mutating func succeeded() {
        guard failures > 0 else { return }
        (failures, refusals, since) = (0, 0, nil)
        backoff.reset()
        context.progress.wait(for: nil)
        if isTold { context.log.note("tiangong: the Cloud is back; going on") }
        isTold = false
    }

    /// Waits after a failure. Throws it when waiting does not help, and `canceled` when the task is.
    ///
    /// - Parameter wasAnswered: Whether the Cloud had begun to answer: that must not go on for ever without a byte.
    mutating func wait(after error: DeployError, wasAnswered: Bool = false) async throws(DeployError) {
        if Task.isCancelled { throw DeployError(.canceled) }
        failures += 1
        switch error.code {
        case .unreachable, .unavailable, .rateLimited, .insufficientStorage:
            if wasAnswered { refusals += 1 }
        case .internal, .protocolError, .conflict, .unauthenticated: refusals += 1
        default: throw error
        }
        guard refusals < Self.limit else { throw error }
        tell(error)
        let pause = max(backoff.next(), .seconds(min(error.retryAfter ?? 0, 60)))
        if (try? await Task.sleep(for: pause)) == nil { throw DeployError(.canceled) }
    }

    private mutating func tell(_ error: DeployError) {
        let now = ContinuousClock.now
        let since = self.since ?? now
        self.since = since
        guard now - since >= Self.unnoticed || error.code == .insufficientStorage else { return }
        context.progress.wait(for: "waiting for the Cloud: \(error.message)")
        if !isTold { context.log.note("tiangong: waiting for the Cloud: \(error.sentence)") }
        isTold = true
    }
}

/// Waits for room on a disk that is full: said once, in the log and as the task's state.
struct RoomPatience {
    private let context: ExecutionContext
    private var isTold = false

    /// How often it looks.
    private static let interval: Duration = .seconds(2)

    init(_ context: ExecutionContext) { self.context = context }

    /// Waits until there is room for so many bytes, as far as the file system says. Throws `canceled` when the task is.
    ///
    /// - Parameters:
    ///   - bytes: What is still to be written.
    ///   - directory: Where.
    ///   - path: What messages call it.
    ///   - error: What was said when there was none; nil to look first.
    mutating func room(
        for bytes: Int64, in directory: OpenDirectory, _ path: String, after error: DeployError? = nil
    ) async throws(DeployError) {
        var hasFailed = error != nil
        while hasFailed || (directory.free().map { $0 < bytes } ?? false) {
            hasFailed = false
            tell(bytes, directory, path)
            if (try? await Task.sleep(for: Self.interval)) == nil { throw DeployError(.canceled) }
        }
    }

    /// What was waited for was written.
    mutating func succeeded() {
        guard isTold else { return }
        isTold = false
        context.progress.wait(for: nil)
        context.log.note("tiangong: there is room again; going on")
    }

    private mutating func tell(_ bytes: Int64, _ directory: OpenDirectory, _ path: String) {
        let free = directory.free().map { ", \($0) are free" } ?? ""
        let what = "no room on the disk for \(path.prefix(200)): \(bytes) bytes are to be written\(free)"
        context.progress.wait(for: what)
        if !isTold { context.log.note("tiangong: \(what); waiting until there is") }
        isTold = true
    }
}
