// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Synchronization

/// The answer to one request: given by whoever reads the link, taken by the one task that asked.
final class PendingAnswer: Sendable {
    typealias Answer = Result<OperatorMessage.Reply, DeployError>

    private enum State {
        case open
        case awaited(CheckedContinuation<Answer, Never>)
        case given(Answer)
    }

    private let state = Mutex(State.open)

    /// Gives the answer; only the first one counts.
    func give(_ answer: Answer) {
        let asker = state.withLock { state -> CheckedContinuation<Answer, Never>? in
            switch state {
            case .given: return nil
            case .open:
                state = .given(answer)
                return nil
            case .awaited(let asker):
                state = .given(answer)
                return asker
            }
        }
        asker?.resume(returning: answer)
    }

    /// Waits for the answer.
    func value() async -> Answer {
        await withCheckedContinuation { continuation in
            let answer = state.withLock { state -> Answer? in
                if case .given(let answer) = state { return answer }
                state = .awaited(continuation)
                return nil
            }
            if let answer { continuation.resume(returning: answer) }
        }
    }
}
