// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Synchronization

/// A response that goes on, to one operator: it ends with the credential, as a link does.
final class StreamSession: OperatorListener {
    let changes = ChangeFeed()
    let principal: Principal
    /// The agent whose log it sends.
    private let agent: AgentID?
    private let viewer: LogViewer?
    private let cut = Mutex(false)

    init(principal: Principal, viewer: LogViewer? = nil, agent: AgentID? = nil) {
        self.principal = principal
        self.viewer = viewer
        self.agent = agent
    }

    /// Whether it was ended before it was complete.
    var wasCut: Bool { cut.withLock { $0 } }

    func close(_: CloseReason) {
        cut.withLock { $0 = true }
        changes.finish()
        viewer?.stop()
    }

    func lost(_ agent: AgentID, removed: Bool) {
        changes.note(gone: agent)
        if !removed, agent == self.agent { close(.policy("an agent moved out of reach")) }
    }
}
